"""The order of the folders: imports run downwards only."""

from __future__ import annotations

import ast
import re
from pathlib import Path

import pentanet

PACKAGE = Path(pentanet.__file__).parent
GUIDE = Path(__file__).parents[1] / "CONTRIBUTING.md"


def _order() -> list[str]:
    """Folders and files of src/pentanet from the top down: the table "Where things are" of CONTRIBUTING.md."""
    section = GUIDE.read_text(encoding="utf-8").split("## Where things are")[1].split("\n## ")[0]
    cells = [line.split("|")[1] for line in section.splitlines() if line.startswith("| `")]
    return ["__main__", *(name.removesuffix(".py") for cell in cells for name in re.findall(r"`(.+?)`", cell))]


ORDER = _order()


def _imports(path: Path) -> set[str]:
    """Folders and files of the package that a source imports, also inside functions."""
    modules: set[str] = set()
    for node in ast.walk(ast.parse(path.read_text())):
        if isinstance(node, ast.ImportFrom) and node.module == "pentanet":
            modules |= {alias.name for alias in node.names}
        elif isinstance(node, ast.ImportFrom) and node.module and node.module.startswith("pentanet."):
            modules.add(node.module.split(".")[1])
        elif isinstance(node, ast.Import):
            modules |= {alias.name.split(".")[1] for alias in node.names if alias.name.startswith("pentanet.")}
    return modules & set(ORDER)


def _upward(order: list[str]) -> list[str]:
    """Each import from a folder to one that `order` has above it."""
    found: list[str] = []
    for path in sorted(PACKAGE.rglob("*.py")):
        relative = path.relative_to(PACKAGE)
        folder = relative.parts[0].removesuffix(".py")
        if folder in order:
            found += [
                f"{relative} imports {name}" for name in _imports(path) if order.index(name) < order.index(folder)
            ]
    return found


def test_every_folder_and_file_has_its_floor() -> None:
    folders = {path.name.removesuffix(".py") for path in PACKAGE.iterdir() if path.suffix == ".py" or path.is_dir()}
    assert folders - set(ORDER) - {"__init__", "__pycache__"} == {"presets"}  # data alone: imports nothing


def test_imports_run_downwards() -> None:
    assert _upward(ORDER) == []


def test_an_import_upwards_is_seen() -> None:
    assert "codes.py imports grid" in _upward(["grid", *(name for name in ORDER if name != "grid")])


def test_what_unix_alone_has_is_imported_where_it_is_used() -> None:
    """On Windows a module that imports `resource` or `fcntl` at its top cannot be imported."""
    found: list[str] = []
    for path in sorted(PACKAGE.rglob("*.py")):
        for node in ast.parse(path.read_text()).body:
            names = [alias.name for alias in node.names] if isinstance(node, ast.Import) else []
            names += [node.module or ""] if isinstance(node, ast.ImportFrom) else []
            found += [f"{path.relative_to(PACKAGE)}: {name}" for name in names if name in ("resource", "fcntl")]
    assert found == []

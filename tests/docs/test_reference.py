"""What the documentation lists is what the code has: settings, methods, presets, commands, functions."""

from __future__ import annotations

import dataclasses
import importlib.util
import math
import re
from pathlib import Path

import pytest

import pentanet.api
from pentanet.bench.suites import SUITES
from pentanet.cli.app import COMMANDS
from pentanet.grid import BINARY, PENTANARY, SEPTENARY, TERNARY
from pentanet.quant import METHODS
from pentanet.training.presets import load_config, preset_names

ROOT = Path(__file__).parents[2]
DOCS = ROOT / "docs"


@pytest.fixture(scope="module")
def tool():
    spec = importlib.util.spec_from_file_location("reference", ROOT / "tools/reference.py")
    assert spec is not None
    assert spec.loader is not None
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module


def read(name):
    return (DOCS / name).read_text(encoding="utf-8")


@pytest.mark.parametrize("page", ["config.md", "methods.md"])
def test_tables_are_those_of_the_code(tool, page):
    assert set(tool.PAGES) == {"config.md", "methods.md"}
    assert tool.with_tables(page, read(page)) == read(page), "run: python tools/reference.py"


def test_no_table_of_settings_is_forgotten(tool):
    config = load_config("nano")
    used = {type(value) for value in vars_of(config).values() if dataclasses.is_dataclass(value)}
    assert used <= set(tool.TABLES.values())


def vars_of(config):
    return {field.name: getattr(config, field.name) for field in dataclasses.fields(config)}


def test_every_preset_is_described():
    rows = re.findall(r"^\| (`[^|]+`) \|", read("config.md").split("<!-- table")[0], re.MULTILINE)
    assert sorted(name.strip("`") for row in rows for name in row.split(", ")) == preset_names()


def test_every_method_has_a_section_and_no_other_has():
    assert sorted(re.findall(r"^### `([\w-]+)`$", read("methods.md"), re.MULTILINE)) == sorted(METHODS)


@pytest.mark.parametrize("name", METHODS)
def test_section_of_a_method_states_bits_and_source(name):
    section = read("methods.md").split(f"### `{name}`")[1].split("###")[0]
    assert "bits" in section
    assert "When:" in section


@pytest.mark.parametrize("grid", [BINARY, TERNARY, PENTANARY, SEPTENARY], ids=lambda grid: grid.name)
def test_table_of_methods_is_what_theory_gives(grid):
    best = grid.gaussian(grid.optimal_scale())
    zeros = f"{100 * best.occupancy[grid.size // 2]:.2f} %" if grid.has_zero else "-"
    plain = grid.gaussian(math.sqrt(2 / math.pi)).mse  # mean|w| of a unit Gaussian
    row = f"| {grid.size} | {grid.bits:.3f} | {grid.optimal_scale():.4f} rms | {best.mse:.4f} | {zeros} "
    assert f"{row}| {best.entropy:.3f} | {plain:.4f} |" in read("methods.md")


def test_every_command_has_a_page_in_the_menu():
    menu = (ROOT / "mkdocs.yml").read_text(encoding="utf-8")
    for name, _, _ in COMMANDS:
        assert (DOCS / f"commands/{name}.md").is_file()
        assert f"commands/{name}.md" in menu
        assert f"({name}.md)" in read("commands/index.md")


def test_every_entry_of_the_lab_book_is_a_finding_of_its_index():
    index = read("lab/index.md")
    for page in sorted((DOCS / "lab").glob("20*.md")):
        assert f"lab/{page.name}" in (ROOT / "mkdocs.yml").read_text(encoding="utf-8")
        for title in re.findall(r"^## (.+)$", page.read_text(encoding="utf-8"), re.MULTILINE):
            anchor = re.sub(r"[-\s]+", "-", re.sub(r"[^\w\s-]", "", title).strip().lower())
            assert f"| [{title[:10]}]({page.name}#{anchor}) | " in index, f"{title}: no line in docs/lab/index.md"


def test_home_links_every_page_of_the_menu():
    menu = re.findall(r"^ +- .*?([\w/-]+\.md)$", (ROOT / "mkdocs.yml").read_text(encoding="utf-8"), re.MULTILINE)
    assert len(menu) > 40
    inner = re.compile(r"(commands|api|lab)/(?!index)|index\.md$")  # linked from the index of their folder
    for page in menu:
        if not inner.match(page):
            assert f"({page})" in read("index.md"), f"docs/index.md: link {page}"


def test_every_suite_is_described():
    for name in SUITES:
        assert f"`{name}`" in read("commands/bench.md")


def test_every_function_behind_a_command_is_in_the_reference():
    page = read("api/index.md")
    for name in pentanet.api.__all__:
        assert re.search(rf"\b{name}\b", page), name


def test_docstrings_describe_one_parameter_at_a_time():
    """`make docs` ends at an entry for several parameters, as at every other warning."""
    pages = "\n".join(path.read_text(encoding="utf-8") for path in DOCS.rglob("*.md"))
    wrong: list[str] = []
    for module in sorted(set(re.findall(r"^::: (pentanet[.\w]*)$", pages, re.MULTILINE))):
        path = ROOT / "src" / module.replace(".", "/")
        path = path / "__init__.py" if path.is_dir() else path.with_suffix(".py")
        for block in re.findall(r"^( +)Args:\n((?:\1 +.*\n|\n)+)", path.read_text(encoding="utf-8"), re.MULTILINE):
            entries = re.findall(rf"^{block[0]}    (\w[\w*]*, [\w*, ]+):", block[1], re.MULTILINE)
            wrong += [f"{module}: {entry}" for entry in entries]
    assert not wrong

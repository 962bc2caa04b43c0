"""Write the tables of docs/config.md and docs/methods.md from what they describe; a test compares the two.

python tools/reference.py           rewrite the tables
"""

from __future__ import annotations

import ast
import dataclasses
import inspect
import json
import re
import sys
import textwrap
import typing
from collections.abc import Callable
from functools import partial
from pathlib import Path
from typing import Any

from pentanet.families import GPTConfig, LlamaConfig
from pentanet.families.rope import LinearRope, Llama3Rope, YarnRope
from pentanet.grid import Grid
from pentanet.quant import METHODS, UniformQuantizer
from pentanet.training import config
from pentanet.training.config import TrainConfig

DOCS = Path(__file__).parents[1] / "docs"
TABLES: dict[str, type] = {
    "top": TrainConfig,
    "model-llama": LlamaConfig,
    "rope-linear": LinearRope,
    "rope-llama3": Llama3Rope,
    "rope-yarn": YarnRope,
    "model-gpt": GPTConfig,
    **{
        name: getattr(config, f"{name.capitalize()}Config")
        for name in ("data", "batch", "optimizer", "schedule", "distill")
    },
    "weights": config.WeightConfig,
}


def meanings(kind: type) -> dict[str, str]:
    """The string below each field of a dataclass, in one line."""
    (body,) = ast.parse(textwrap.dedent(inspect.getsource(kind))).body
    assert isinstance(body, ast.ClassDef)
    found: dict[str, str] = {}
    for field, below in zip(body.body, body.body[1:], strict=False):
        if (
            isinstance(field, ast.AnnAssign)
            and isinstance(field.target, ast.Name)
            and isinstance(below, ast.Expr)
            and isinstance(below.value, ast.Constant)
        ):
            found[field.target.id] = " ".join(str(below.value.value).split())
    return found


def table(kind: type) -> str:
    """Key, values, default and meaning of each field that is a value; tables of their own are left out."""
    said, hints = meanings(kind), typing.get_type_hints(kind)
    lines = ["| Key | Values | Default | Meaning |", "| --- | --- | --- | --- |"]
    for field in dataclasses.fields(kind):
        if field.default is dataclasses.MISSING or field.name in ("family", "rope_type"):
            continue
        lines.append(
            f"| `{field.name}` | {_values(hints[field.name])} | `{json.dumps(field.default)}` | {said[field.name]} |"
        )
    return "\n".join(lines)


def _values(hint: Any) -> str:
    if typing.get_origin(hint) is typing.Literal:
        return ", ".join(f"`{value}`" for value in typing.get_args(hint))
    return {int: "integer", float: "number", bool: "`true`, `false`", str: "text"}[hint]


def methods_table() -> str:
    """The registry: what each record of a method says, and its class where it has ideas of its own."""
    lines = ["| Method | Levels | Scale | of each | Gradient | Inputs | Class |", "| --- " * 7 + "|"]
    for name, method in METHODS.items():
        made = type(method.make())
        cells = [
            f"[`{name}`](#{name})",
            _levels(method.grid) if method.grid else "-",
            str(method.scale or "-"),
            method.granularity.name.replace("group:", "group of ") if method.granularity else "-",
            method.gradient,
            method.activations,
            "" if made is UniformQuantizer else f"`{made.__name__}`",
        ]
        lines.append(f"| {' | '.join(cells)} |")
    return "\n".join(lines)


def _levels(grid: Grid) -> str:
    return f"{grid.lowest}..{grid.highest}" if grid.spacing == 1 else " ".join(map(str, grid.levels))


def with_tables(page: str, text: str) -> str:
    """The text of a page of the documentation with every table between its markers written anew."""
    for name, write in PAGES[page].items():
        between = re.compile(rf"(<!-- table: {name} -->\n).*?(<!-- end -->)", re.DOTALL)
        text, count = between.subn(lambda found, write=write: f"{found[1]}\n{write()}\n\n{found[2]}", text)
        assert count == 1, f"{page}: the table '{name}' stands there {count} times"
    return text


PAGES: dict[str, dict[str, Callable[[], str]]] = {
    "config.md": {name: partial(table, kind) for name, kind in TABLES.items()},
    "methods.md": {"methods": methods_table},
}

if __name__ == "__main__":
    for page in PAGES:
        before = (DOCS / page).read_text(encoding="utf-8")
        after = with_tables(page, before)
        (DOCS / page).write_text(after, encoding="utf-8")
        print(f"{DOCS / page}: {'unchanged' if before == after else 'written'}", file=sys.stderr)

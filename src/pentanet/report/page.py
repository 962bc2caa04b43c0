"""One HTML file that holds a bench: no network, no library, nothing to install to read it."""

from __future__ import annotations

import base64
import hashlib
import json
from collections.abc import Sequence
from importlib import resources
from pathlib import Path
from typing import Any

from jinja2 import Environment, PackageLoader, StrictUndefined
from markupsafe import Markup

from pentanet.atomic import write_file
from pentanet.report.content import content
from pentanet.report.palette import DARK, LIGHT
from pentanet.report.picture import curves_svg
from pentanet.report.records import Bench, parse, read_summary
from pentanet.report.runs import Run, read_runs

# In this order inside one function: later files use what earlier ones define.
SCRIPTS = (
    *("dom", "scale", "lineplot", "filters", "curves", "inside", "depth"),
    *("forest", "occupancy", "bits", "table", "main"),
)


def report(out: str | Path) -> Path:
    """Write OUT/report/index.html and OUT/report/curves.svg from OUT/summary.json and the runs that it names.

    Args:
        out: the directory that `pentanet bench` wrote.

    Returns:
        Path of the page.

    Raises:
        MissingFileError: no summary, or a run without its metrics.
        RecordError: a record that cannot be read; names the file and the key or line.
    """
    out = Path(out)
    bench, runs = read(out)
    return write_page(bench, runs, out / "report")


def read(out: Path) -> tuple[Bench, list[Run]]:
    """The checked records of a bench.

    Raises:
        MissingFileError: no summary, or a run without its metrics.
        RecordError: a record that cannot be read; names the file and the key or line.
    """
    bench = parse(read_summary(out), str(out / "summary.json"))
    return bench, read_runs(bench, out)


def write_page(bench: Bench, runs: Sequence[Run], folder: Path) -> Path:
    """Write index.html and curves.svg into `folder`."""
    folder.mkdir(parents=True, exist_ok=True)
    write_file(folder / "curves.svg", curves_svg(bench, runs).encode())
    page = folder / "index.html"
    write_file(page, _render(*content(bench, runs)).encode())
    return page


def _render(view: dict[str, Any], data: dict[str, Any]) -> str:
    environment = Environment(
        loader=PackageLoader("pentanet.report", "assets"),
        autoescape=True,
        undefined=StrictUndefined,
        trim_blocks=True,
        lstrip_blocks=True,
    )
    body = "\n".join(_asset(f"{name}.js") for name in SCRIPTS)
    script = f'(() => {{\n"use strict";\n{body}}})();\n'
    return environment.get_template("page.html.jinja").render(
        view,
        style=Markup(_colours() + _asset("page.css")),
        script=Markup(script),
        # The page runs this script and no other, whatever a string in the records may hold.
        script_hash=base64.b64encode(hashlib.sha256(script.encode()).digest()).decode(),
        data=Markup(embed(data)),
    )


def embed(data: object) -> str:
    """JSON that may stand inside a script element: no character of it can end the element or start a comment."""
    text = json.dumps(data, ensure_ascii=False, allow_nan=False, separators=(",", ":"))
    for character in "<>&\u2028\u2029":
        text = text.replace(character, f"\\u{ord(character):04x}")
    return text


def _asset(name: str) -> str:
    return resources.files("pentanet.report").joinpath("assets", name).read_text(encoding="utf-8")


def _colours() -> str:
    light, dark = ("".join(f"--m{i}:{c};" for i, c in enumerate(colours)) for colours in (LIGHT, DARK))
    return f":root{{{light}}}\n@media screen and (prefers-color-scheme: dark){{:root{{{dark}}}}}\n"

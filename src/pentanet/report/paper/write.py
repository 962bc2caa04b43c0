"""Typst makes the PDF: template, numbers and figures go in as bytes, and nothing is fetched."""

from __future__ import annotations

import json
from collections.abc import Sequence
from datetime import datetime
from importlib import import_module, resources
from pathlib import Path
from typing import Any

from pentanet.atomic import write_file
from pentanet.errors import MissingExtraError
from pentanet.report.figures import draw_svg
from pentanet.report.paper.content import paper
from pentanet.report.records import Bench
from pentanet.report.runs import Run


def write_paper(suites: Sequence[tuple[Bench, Sequence[Run]]], path: Path) -> Path:
    """Write `path`, a PDF.

    Args:
        suites: records and runs of each.

    Raises:
        MissingExtraError: matplotlib or typst is not installed.
    """
    try:
        typst: Any = import_module("typst")
    except ModuleNotFoundError:
        raise MissingExtraError("typst", "report", "--paper") from None
    figures = [draw_svg(bench, runs) for bench, runs in suites]
    content = paper(suites, [list(drawn) for drawn in figures])
    files = {f"{index}-{name}.svg": data for index, drawn in enumerate(figures) for name, data in drawn.items()}
    files["main"] = resources.files("pentanet.report").joinpath("assets", "paper.typ").read_bytes()
    files["paper.json"] = json.dumps(content, ensure_ascii=False).encode()
    # Only the fonts that typst brings along, and the time of the records: the same records give the same paper.
    pdf: bytes = typst.compile(files, format="pdf", ignore_system_fonts=True, timestamp=_newest(suites))
    path.parent.mkdir(parents=True, exist_ok=True)
    write_file(path, pdf)
    return path


def _newest(suites: Sequence[tuple[Bench, Sequence[Run]]]) -> int:
    times = [0]
    for bench, _ in suites:
        try:
            times.append(int(datetime.fromisoformat(str(bench.facts.get("created"))).timestamp()))
        except ValueError:
            continue
    return max(times)

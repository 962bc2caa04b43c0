"""Every figure that the records allow, in every format."""

from __future__ import annotations

from collections.abc import Callable, Generator, Mapping, Sequence
from pathlib import Path
from types import MappingProxyType
from typing import Any

from pentanet.atomic import write_file
from pentanet.report.figures.canvas import FORMATS, encode, look
from pentanet.report.figures.curves import convergence, flips, inside
from pentanet.report.figures.levels import occupancy
from pentanet.report.figures.losses import depth, forest, frontier
from pentanet.report.records import Bench
from pentanet.report.runs import Run

# By the name of the file; each gives a figure, or None where the records have nothing to show.
FIGURES: Mapping[str, Callable[[Bench, Sequence[Run]], Any]] = MappingProxyType(
    {
        "convergence": convergence,
        "occupancy": occupancy,
        "differences": forest,
        "depth": depth,
        "frontier": frontier,
        "flips": flips,
        "inside": inside,
    }
)


def draw(bench: Bench, runs: Sequence[Run], folder: Path) -> list[Path]:
    """Write FOLDER/NAME.svg, .pdf and .png for each of FIGURES that the records can fill.

    Returns:
        The files, three for each figure.

    Raises:
        MissingExtraError: matplotlib is not installed.
    """
    folder.mkdir(parents=True, exist_ok=True)
    written: list[Path] = []
    with look():
        for name, figure in _made(bench, runs):
            for form in FORMATS:
                written.append(folder / f"{name}.{form}")
                write_file(written[-1], encode(figure, form))
    return written


def draw_svg(bench: Bench, runs: Sequence[Run]) -> dict[str, bytes]:
    """The same figures by name, as SVG in memory.

    Raises:
        MissingExtraError: matplotlib is not installed.
    """
    with look():
        return {name: encode(figure, "svg") for name, figure in _made(bench, runs)}


def _made(bench: Bench, runs: Sequence[Run]) -> Generator[tuple[str, Any]]:
    for name, make in FIGURES.items():
        figure = make(bench, runs)
        if figure is not None:
            yield name, figure

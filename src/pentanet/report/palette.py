"""One colour, dash and marker per method, the same in every figure of every report.

Hue says the alphabet (blue three levels, orange five, grey full precision) and lightness tells members of a family
apart, so that the five default arms stay distinct under the three common kinds of colour blindness.  Dash and marker
repeat the information for black-and-white print.  The page takes the colours as CSS variables, one set for light and
one for dark.
"""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass

# Text contrast against the page is at least 3 in LIGHT and DARK; MID has it on white and on GitHub's dark page alike.
LIGHT = (
    "#6b7280", "#b8400a", "#cf7a0f", "#1456a8", "#3f93d6", "#6d3fb0",
    "#1b7f4b", "#c2306b", "#0f8a8a", "#8a6d1a", "#7a4a2b", "#4b5563",
)  # fmt: skip
DARK = (
    "#a3a9b3", "#ff8a4c", "#ffc77a", "#5b9dff", "#9fd0ff", "#b794f6",
    "#5fd39a", "#f47fb0", "#4fd1d1", "#d4b95a", "#d0a080", "#8b95a5",
)  # fmt: skip
MID = (
    "#7d8590", "#c95a1e", "#cf7f14", "#3a6fc9", "#4f98dd", "#8a5fd0",
    "#2f9461", "#d0508a", "#1f9a9a", "#9a7d2a", "#a06a48", "#7a8699",
)  # fmt: skip
COLOURS = len(LIGHT)
MARKERS = ("circle", "square", "diamond", "triangle", "cross", "down")
DASHES = ("", "6 3", "2 2.5", "8 3 2 3")


@dataclass(frozen=True, kw_only=True, slots=True)
class Style:
    """How a method is drawn.

    Attributes:
        colour: index of the CSS variables --m0 .. --m11.
        dash: SVG stroke-dasharray.
        marker: one of MARKERS.
    """

    colour: int
    dash: str
    marker: str


KNOWN = {
    "full-precision": Style(colour=0, dash="2 2.5", marker="square"),
    "pentanary": Style(colour=1, dash="", marker="circle"),
    "pentanet-seed": Style(colour=2, dash="6 3", marker="diamond"),
    "ternary": Style(colour=3, dash="", marker="triangle"),
    "bitnet-seed": Style(colour=4, dash="6 3", marker="down"),
    "binary": Style(colour=5, dash="", marker="cross"),
    "septenary": Style(colour=6, dash="", marker="square"),
    "lsq-pentanary": Style(colour=7, dash="8 3 2 3", marker="diamond"),
}


def styles(names: Iterable[str]) -> dict[str, Style]:
    """A style for each method: fixed for the known ones, the next free combination for the others."""
    order = list(names)
    taken = {KNOWN[name].colour for name in order if name in KNOWN}
    free = [c for c in (8, 9, 10, 11, 5, 6, 7, 2, 4, 1, 3) if c not in taken] or list(range(COLOURS))
    found: dict[str, Style] = {}
    for name in order:
        if name in KNOWN:
            found[name] = KNOWN[name]
            continue
        index = sum(n not in KNOWN for n in found)
        turn, place = divmod(index, len(free))
        found[name] = Style(
            colour=free[place], dash=DASHES[turn % len(DASHES)], marker=MARKERS[(index + turn) % len(MARKERS)]
        )
    return found

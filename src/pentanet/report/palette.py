"""One colour, dash and marker per method, the same in every figure of every report.

Hue says the alphabet (blue three levels, orange five, grey full precision) and lightness tells members of a family
apart, so that the five default arms stay distinct under the three common kinds of colour blindness.  Dash and marker
repeat the information for black-and-white print.  The colours themselves are CSS variables, one set for light and one
for dark.
"""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass

COLOURS = 12
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

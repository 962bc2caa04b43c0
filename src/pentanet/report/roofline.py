"""The roofline picture of `pentanet speed`: how near each layout comes to what the machine can do.

Across: operations per byte of weights that a product does, two for each weight and token.  Up: 10^9 operations per
second.  Memory allows `read limit * operations per byte`, arithmetic the int8 peak; the lower of the two is the roof
(Williams, Waterman, Patterson 2009).  Decode stands left, where memory binds, prefill right.
"""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from pentanet.report import svg
from pentanet.report.palette import COLOURS, DASHES, MID

WIDTH, HEIGHT = 860, 470
LEFT, RIGHT, TOP, BOTTOM = 66, 640, 46, 54
KEY_GAP = 20
KNOWN = {"pentanary-7bit": 1, "ternary-5in8": 3, "ternary-2bit": 4, "binary-1bit": 5, "nibble": 6, "byte": 0}


@dataclass(frozen=True, slots=True)
class Roof:
    """Limits with some threads: 10^9 bytes and 10^9 operations per second."""

    threads: int
    read: float
    multiply: float

    def height(self, intensity: float) -> float:
        """The most 10^9 operations per second at this many operations per byte."""
        return min(self.read * intensity, self.multiply)


@dataclass(frozen=True, slots=True)
class Point:
    """A measurement: operations per byte, and 10^9 operations per second."""

    layout: str
    threads: int
    tokens: int
    x: float
    y: float


@dataclass(frozen=True, slots=True)
class Axes:
    """Decades on both axes: (low, high) of x and y."""

    x_range: tuple[float, float]
    y_range: tuple[float, float]

    def x(self, value: float) -> float:
        """Place of an intensity."""
        return LEFT + (RIGHT - LEFT) * _share(value, *self.x_range)

    def y(self, value: float) -> float:
        """Place of a rate."""
        return HEIGHT - BOTTOM - (HEIGHT - TOP - BOTTOM) * _share(value, *self.y_range)


def roofline_svg(summary: Mapping[str, Any]) -> str:
    """A standalone SVG of a summary of `pentanet speed`: a roof per thread count, a point per measurement."""
    roofs, points = _roofs(summary), _points(summary)
    axes = _axes_for(roofs, points)
    machine = summary["machine"]
    title = f"{machine['cpu']}, {machine['instruction_set']}: layouts under the roof"
    parts = [
        *_grid(axes),
        *(part for rank, roof in enumerate(roofs) for part in _roof(roof, axes, DASHES[rank % len(DASHES)])),
        *(_mark(point, axes, roofs) for point in points),
        *_key(points, roofs),
    ]
    return svg.document(title, WIDTH, HEIGHT, LEFT, parts)


def _roofs(summary: Mapping[str, Any]) -> list[Roof]:
    read, multiply = summary["limits"]["read_gbps"], summary["limits"]["int8_gops"]
    return [Roof(int(threads), read[threads], multiply[threads]) for threads in read]


def _points(summary: Mapping[str, Any]) -> list[Point]:
    found: list[Point] = []
    for row in (*summary["decode"], *summary["prefill"]):
        intensity = 16 * row["tokens"] / row["bits"]  # two operations per weight and token
        rate = row["value"] * intensity if row["unit"] == "GB/s" else row["value"]
        found.append(Point(row["layout"], row["threads"], row["tokens"], intensity, rate))
    return found


def _axes_for(roofs: Sequence[Roof], points: Sequence[Point]) -> Axes:
    xs, ys = [point.x for point in points], [point.y for point in points]
    highest = max([roof.multiply for roof in roofs] + ys)
    lowest = min([roof.height(min(xs)) for roof in roofs] + ys)
    return Axes((min(xs) / 2, max(xs) * 2), (lowest / 2, highest * 2))


def _share(value: float, low: float, high: float) -> float:
    return math.log(value / low) / math.log(high / low)


def _decades(low: float, high: float) -> list[float]:
    return [10.0**power for power in range(math.ceil(math.log10(low)), math.floor(math.log10(high)) + 1)]


def _grid(axes: Axes) -> list[str]:
    parts: list[str] = []
    for value in _decades(*axes.x_range):
        parts.append(svg.rule(axes.x(value), TOP, axes.x(value), HEIGHT - BOTTOM))
        parts.append(svg.text(axes.x(value), HEIGHT - BOTTOM + 19, f"{value:g}", 'text-anchor="middle"'))
    for value in _decades(*axes.y_range):
        parts.append(svg.rule(LEFT, axes.y(value), RIGHT, axes.y(value)))
        parts.append(svg.text(LEFT - 8, axes.y(value) + 4.5, svg.short(value * 1e9), 'text-anchor="end"'))
    middle = (LEFT + RIGHT) / 2
    parts.append(svg.text(middle, HEIGHT - 12, "operations per byte of weights", 'text-anchor="middle"'))
    parts.append(svg.text(LEFT, TOP - 6, "operations per second", ""))
    return parts


def _roof(roof: Roof, axes: Axes, dash: str) -> list[str]:
    low, high = axes.x_range
    ridge = min(max(roof.multiply / roof.read, low), high)
    left = max(low, axes.y_range[0] / roof.read)  # where the slope comes into the picture
    corners = [(axes.x(x), axes.y(roof.height(x))) for x in (left, ridge, high)]
    stroke = f'stroke="{svg.TEXT}" stroke-width="1.8"' + (f' stroke-dasharray="{dash}"' if dash else "")
    return [f'<polyline points="{svg.join(corners)}" fill="none" {stroke} stroke-linejoin="round"/>']


def _colour(layout: str) -> str:
    if layout in KNOWN:
        return MID[KNOWN[layout]]
    free = [index for index in range(COLOURS) if index not in KNOWN.values()]
    return MID[free[sum(layout.encode()) % len(free)]]


def _mark(point: Point, axes: Axes, roofs: Sequence[Roof]) -> str:
    rank = [roof.threads for roof in roofs].index(point.threads)
    title = f"{point.layout}, {_threads(point.threads)}, {point.tokens} tokens: {point.y:.4g} GOPS"
    shape = _shape(axes.x(point.x), axes.y(point.y), rank, f'fill="{_colour(point.layout)}"')
    return f"<g><title>{title}</title>{shape}</g>"


def _shape(x: float, y: float, rank: int, attributes: str) -> str:
    """A circle for the first thread count, a square for the second, a triangle for all others."""
    if rank == 0:
        return f'<circle cx="{x:.1f}" cy="{y:.1f}" r="5" {attributes}/>'
    if rank == 1:
        return f'<rect x="{x - 4.6:.1f}" y="{y - 4.6:.1f}" width="9.2" height="9.2" {attributes}/>'
    return f'<polygon points="{svg.join([(x, y - 6), (x + 6, y + 5), (x - 6, y + 5)])}" {attributes}/>'


def _key(points: Sequence[Point], roofs: Sequence[Roof]) -> list[str]:
    parts: list[str] = []
    x, y = RIGHT + 24.0, TOP + 12.0
    for layout in dict.fromkeys(point.layout for point in points):
        parts.append(f'<rect x="{x}" y="{y - 9:.1f}" width="11" height="11" rx="2" fill="{_colour(layout)}"/>')
        parts.append(svg.text(x + 20, y + 1, layout, f'fill="{_colour(layout)}" style="font-weight:600"'))
        y += KEY_GAP
    y += KEY_GAP / 2
    for rank, roof in enumerate(roofs):
        parts.append(_shape(x + 5, y - 4, rank, f'fill="{svg.TEXT}"'))
        dash = DASHES[rank % len(DASHES)]
        stroke = f'stroke="{svg.TEXT}" stroke-width="1.8"' + (f' stroke-dasharray="{dash}"' if dash else "")
        parts.append(svg.line(x + 17, y - 4, x + 45, y - 4, stroke))
        parts.append(svg.text(x + 52, y, _threads(roof.threads), ""))
        parts.append(svg.text(x + 52, y + 16, f"{roof.read:.1f} GB/s", ""))
        parts.append(svg.text(x + 52, y + 32, f"{roof.multiply:.0f} GOPS int8", ""))
        y += 3 * KEY_GAP
    return parts


def _threads(count: int) -> str:
    return "1 thread" if count == 1 else f"{count} threads"

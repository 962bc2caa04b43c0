"""The parts of our pictures: SVG without scripts or fonts of its own, legible on white and on GitHub's dark page."""

from __future__ import annotations

from collections.abc import Sequence
from xml.sax.saxutils import escape

TEXT = "#768390"
FONT = "font-family:system-ui,-apple-system,'Segoe UI',Roboto,'DejaVu Sans',sans-serif"


def document(title: str, width: int, height: int, left: float, parts: Sequence[str]) -> str:
    """A whole picture of `width` x `height` with its title above `left`."""
    size = f'viewBox="0 0 {width} {height}" width="{width}" height="{height}"'
    lines = [
        f'<svg xmlns="http://www.w3.org/2000/svg" {size} role="img">',
        f"<title>{escape(title)}</title>",
        f'<g style="{FONT};font-size:13px" fill="{TEXT}">',
        text(left, 22, title, 'style="font-size:15px;font-weight:600"'),
        *parts,
        "</g>",
        "</svg>",
    ]
    return "\n".join(lines) + "\n"


def line(x1: float, y1: float, x2: float, y2: float, attributes: str) -> str:
    """A straight line."""
    return f'<line x1="{x1:.1f}" y1="{y1:.1f}" x2="{x2:.1f}" y2="{y2:.1f}" {attributes}/>'


def rule(x1: float, y1: float, x2: float, y2: float) -> str:
    """A faint line behind a drawing."""
    return line(x1, y1, x2, y2, f'stroke="{TEXT}" stroke-opacity=".22"')


def text(x: float, y: float, words: str, attributes: str) -> str:
    """Words whose baseline starts at (x, y)."""
    return f'<text x="{x:.1f}" y="{y:.1f}" {attributes}>{escape(words)}</text>'


def join(points: Sequence[tuple[float, float]]) -> str:
    """Points as polylines and polygons take them."""
    return " ".join(f"{a:.1f},{b:.1f}" for a, b in points)


def short(value: float) -> str:
    """A count with its thousands named: 1.5 M."""
    for unit, step in (("G", 1e9), ("M", 1e6), ("k", 1e3)):
        if abs(value) >= step:
            return f"{value / step:g} {unit}"
    return f"{value:g}"


def spread(places: Sequence[float], gap: float) -> list[float]:
    """The same places moved apart to at least `gap`, in their order, staying around where they were."""
    order = sorted(range(len(places)), key=places.__getitem__)
    groups: list[tuple[list[int], float]] = []
    for index in order:
        members, centre = [index], places[index]
        # A label that touches the group above joins it; the group is centred on the mean of its places.
        while groups and groups[-1][1] + gap * (len(groups[-1][0]) + len(members)) / 2 > centre:
            members = groups.pop()[0] + members
            centre = sum(places[i] for i in members) / len(members)
        groups.append((members, centre))
    moved = [0.0] * len(places)
    for members, centre in groups:
        for rank, index in enumerate(members):
            moved[index] = centre + gap * (rank - (len(members) - 1) / 2)
    return moved

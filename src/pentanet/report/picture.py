"""One picture of a bench for a README: validation loss over tokens, legible on white and on GitHub's dark page."""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any
from xml.sax.saxutils import escape

from pentanet.report.metrics import Series
from pentanet.report.palette import MID, Style, styles
from pentanet.report.records import parse
from pentanet.report.runs import Run, read_runs

WIDTH, HEIGHT = 860, 430
LEFT, TOP, BOTTOM = 58, 46, 48
LABEL_GAP = 17
TEXT = "#768390"
FONT = "font-family:system-ui,-apple-system,'Segoe UI',Roboto,'DejaVu Sans',sans-serif"
POINTS = 120


@dataclass(frozen=True, slots=True)
class Band:
    """A method's validation loss over its seeds: (tokens, low, mean, high) per evaluation."""

    name: str
    style: Style
    points: list[tuple[float, float, float, float]]


def curves_svg(summary: Mapping[str, Any], out_dir: Path) -> str:
    """A standalone SVG of the validation loss: a line per method for the mean, a band from lowest to highest seed.

    The first evaluations are cut off: the fall from an untrained model would flatten all that follows.

    Raises:
        MissingFileError: a run without its metrics.
        RecordError: a record that cannot be read.
    """
    bench = parse(summary, str(out_dir / "summary.json"))
    runs = read_runs(bench, out_dir)
    style = styles(arm.name for arm in bench.arms)
    bands = [_band(arm.name, style[arm.name], [r for r in runs if r.method == arm.name]) for arm in bench.arms]
    bands = [band for band in bands if band.points]
    seeds = len(bench.seeds)
    title = f"{bench.suite}: validation loss, mean of {seeds} seeds and their range" if seeds > 1 else f"{bench.suite}: validation loss, one seed"
    unit = "steps" if any(run.in_steps for run in runs) else "tokens"
    parts = [
        f'<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 {WIDTH} {HEIGHT}" width="{WIDTH}" height="{HEIGHT}" role="img">',
        f"<title>{escape(title)}</title>",
        f'<g style="{FONT};font-size:13px" fill="{TEXT}">',
        f'<text x="{LEFT}" y="22" style="font-size:15px;font-weight:600">{escape(title)}</text>',
        *(_drawing(bands, unit) if bands else ['<text x="58" y="80">No run has been evaluated.</text>']),
        "</g>",
        "</svg>",
    ]
    return "\n".join(parts) + "\n"


def _band(name: str, style: Style, runs: Sequence[Run]) -> Band:
    columns: list[dict[int, float]] = [dict(_sampled(run.curves.valid)) for run in runs]
    if not columns:
        return Band(name, style, [])
    # Only where every seed was evaluated: a mean over fewer seeds would make a step that no run took.
    steps = sorted(set.intersection(*(set(column) for column in columns)))
    factor = runs[0].tokens_per_step
    points: list[tuple[float, float, float, float]] = []
    for step in steps:
        values = [column[step] for column in columns]
        points.append((step * factor, min(values), math.fsum(values) / len(values), max(values)))
    return Band(name, style, points)


def _sampled(series: Series) -> Series:
    stride = max(1, math.ceil(len(series) / POINTS))
    return [*series[::stride], *series[-1:]]


def _drawing(bands: Sequence[Band], unit: str) -> list[str]:
    right = 24 + 7.4 * max(len(band.name) for band in bands) + 48
    end = max(band.points[-1][0] for band in bands) or 1.0
    start = 0.05 * end if all(len(band.points) > 4 for band in bands) else 0.0
    kept = [Band(b.name, b.style, [p for p in b.points if p[0] >= start]) for b in bands]
    low = min(p[1] for b in kept for p in b.points)
    high = max(p[3] for b in kept for p in b.points)
    pad = 0.04 * (high - low) or 0.1
    low, high = low - pad, high + pad

    def x(value: float) -> float:
        return LEFT + (WIDTH - LEFT - right) * (value - start) / ((end - start) or 1.0)

    def y(value: float) -> float:
        return TOP + (HEIGHT - TOP - BOTTOM) * (high - value) / (high - low)

    parts: list[str] = []
    marks = ticks(low, high, 6)
    places = max(len(f"{tick:g}".partition(".")[2]) for tick in marks)
    for tick in marks:
        parts.append(f'<line x1="{LEFT}" x2="{x(end):.1f}" y1="{y(tick):.1f}" y2="{y(tick):.1f}" stroke="{TEXT}" stroke-opacity=".22"/>')
        parts.append(f'<text x="{LEFT - 9}" y="{y(tick) + 4.5:.1f}" text-anchor="end">{tick:.{places}f}</text>')
    for tick in ticks(start, end, 6):
        parts.append(f'<text x="{x(tick):.1f}" y="{HEIGHT - BOTTOM + 20}" text-anchor="middle">{short(tick)}</text>')
    parts.append(f'<text x="{x((start + end) / 2):.1f}" y="{HEIGHT - 8}" text-anchor="middle">training {unit}</text>')
    ends = spread([y(b.points[-1][2]) for b in kept], LABEL_GAP)
    for band, place in zip(kept, ends, strict=True):
        colour, dash = MID[band.style.colour], band.style.dash
        outline = [(x(p[0]), y(p[3])) for p in band.points] + [(x(p[0]), y(p[1])) for p in reversed(band.points)]
        line = [(x(p[0]), y(p[2])) for p in band.points]
        parts.append(f'<polygon points="{_join(outline)}" fill="{colour}" fill-opacity=".16"/>')
        dashes = f' stroke-dasharray="{dash}"' if dash else ""
        parts.append(f'<polyline points="{_join(line)}" fill="none" stroke="{colour}" stroke-width="2" stroke-linejoin="round"{dashes}/>')
        parts.append(f'<line x1="{x(end) + 3:.1f}" y1="{line[-1][1]:.1f}" x2="{x(end) + 13:.1f}" y2="{place:.1f}" stroke="{colour}"/>')
        parts.append(
            f'<text x="{x(end) + 17:.1f}" y="{place + 4.5:.1f}" fill="{colour}" style="font-weight:600">'
            f"{escape(band.name)} {band.points[-1][2]:.3f}</text>"
        )
    return parts


def _join(points: Sequence[tuple[float, float]]) -> str:
    return " ".join(f"{a:.1f},{b:.1f}" for a, b in points)


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


def ticks(low: float, high: float, count: int) -> list[float]:
    """Round numbers from low to high, about `count` of them."""
    raw = (high - low) / count
    if not raw > 0:
        return [low]
    power = 10 ** math.floor(math.log10(raw))
    step = next(m * power for m in (1, 2, 2.5, 5, 10) if m * power >= raw * 0.999)
    first, last = math.ceil(low / step - 1e-9), math.floor(high / step + 1e-9)
    return [round(index * step, 12) for index in range(first, last + 1)]


def short(value: float) -> str:
    """A count with its thousands named: 1.5 M."""
    for unit, step in (("G", 1e9), ("M", 1e6), ("k", 1e3)):
        if abs(value) >= step:
            return f"{value / step:g} {unit}"
    return f"{value:g}"

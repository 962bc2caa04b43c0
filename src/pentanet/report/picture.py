"""One picture of a bench for a README: validation loss over tokens, legible on white and on GitHub's dark page."""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass

from pentanet.report import svg
from pentanet.report.metrics import Series
from pentanet.report.palette import MID, Style, styles
from pentanet.report.records import Arm, Bench
from pentanet.report.runs import Run

WIDTH, HEIGHT = 860, 430
LEFT, TOP, BOTTOM = 58, 46, 48
LABEL_GAP = 17
POINTS = 120
SKIPPED = 0.05


@dataclass(frozen=True, slots=True)
class Band:
    """A method's validation loss over its seeds: (tokens, low, mean, high) per evaluation, and the final result.

    The result is of the whole validation split; validations during training may read less of it.
    """

    name: str
    final: float | None
    style: Style
    points: list[tuple[float, float, float, float]]


def curves_svg(bench: Bench, runs: Sequence[Run]) -> str:
    """A standalone SVG of the validation loss: a line per method for the mean, a band from lowest to highest seed.

    The numbers at the ends are the results of the summary, on the whole validation split.  The first evaluations are
    cut off: the fall from an untrained model would flatten all that follows.
    """
    style = styles(arm.name for arm in bench.arms)
    bands = [_band(arm, style[arm.name], [r for r in runs if r.method == arm.name]) for arm in bench.arms]
    bands = [band for band in bands if band.points]
    seeds = len(bench.seeds)
    what = f"mean of {seeds} seeds and their range" if seeds > 1 else "one seed"
    title = f"{bench.suite}: validation loss, {what}"
    unit = "steps" if any(run.in_steps for run in runs) else "tokens"
    drawing = _drawing(bands, unit) if bands else [svg.text(LEFT, TOP + 30, "No run has been evaluated.", "")]
    return svg.document(title, WIDTH, HEIGHT, LEFT, drawing)


def _band(arm: Arm, style: Style, runs: Sequence[Run]) -> Band:
    columns: list[dict[int, float]] = [dict(_sampled(run.curves.valid)) for run in runs]
    if not columns:
        return Band(arm.name, None, style, [])
    # Only where every seed was evaluated: a mean over fewer seeds would make a step that no run took.
    steps = sorted(step for step in columns[0] if all(step in column for column in columns))
    factor = runs[0].tokens_per_step
    points: list[tuple[float, float, float, float]] = []
    for step in steps:
        values = [column[step] for column in columns]
        points.append((step * factor, min(values), math.fsum(values) / len(values), max(values)))
    return Band(arm.name, arm.mean.get("val_loss"), style, points)


def _sampled(series: Series) -> Series:
    stride = max(1, math.ceil(len(series) / POINTS))
    return [*series[::stride], *series[-1:]]


@dataclass(frozen=True, kw_only=True, slots=True)
class Frame:
    """Where the axes lie: values at the left, right, lower and upper edge, and x of the right edge."""

    start: float
    end: float
    low: float
    high: float
    right: float

    def x(self, value: float) -> float:
        """Place of a count of tokens."""
        return LEFT + (self.right - LEFT) * (value - self.start) / ((self.end - self.start) or 1.0)

    def y(self, value: float) -> float:
        """Place of a loss."""
        return TOP + (HEIGHT - TOP - BOTTOM) * (self.high - value) / (self.high - self.low)


def _drawing(bands: Sequence[Band], unit: str) -> list[str]:
    end = max(band.points[-1][0] for band in bands)
    start = SKIPPED * end if all(len(band.points) > 4 for band in bands) else 0.0
    late = [Band(b.name, b.final, b.style, [p for p in b.points if p[0] >= start]) for b in bands]
    late = [band for band in late if band.points]
    low, high = min(p[1] for b in late for p in b.points), max(p[3] for b in late for p in b.points)
    pad = 0.04 * (high - low) or 0.1
    right = WIDTH - 72 - 7.4 * max(len(band.name) for band in late)
    frame = Frame(start=start, end=end, low=low - pad, high=high + pad, right=right)
    places = svg.spread([frame.y(b.points[-1][2]) for b in late], min(LABEL_GAP, (HEIGHT - TOP - 10) / len(late)))
    curves = [part for band, place in zip(late, places, strict=True) for part in _curve(band, frame, place)]
    return [*_axes(frame, unit), *curves]


def _axes(frame: Frame, unit: str) -> list[str]:
    marks = ticks(frame.low, frame.high, 6)
    decimals = max(len(f"{mark:g}".partition(".")[2]) for mark in marks)
    rules = [svg.rule(LEFT, frame.y(m), frame.right, frame.y(m)) for m in marks]
    losses = [svg.text(LEFT - 9, frame.y(m) + 4.5, f"{m:.{decimals}f}", 'text-anchor="end"') for m in marks]
    middle, below = 'text-anchor="middle"', HEIGHT - BOTTOM + 20
    tokens = [svg.text(frame.x(t), below, svg.short(t), middle) for t in ticks(frame.start, frame.end, 6)]
    return [*rules, *losses, *tokens, svg.text((LEFT + frame.right) / 2, HEIGHT - 8, f"training {unit}", middle)]


def _curve(band: Band, frame: Frame, place: float) -> list[str]:
    colour, dash = MID[band.style.colour], band.style.dash
    above = [(frame.x(p[0]), frame.y(p[3])) for p in band.points]
    below = [(frame.x(p[0]), frame.y(p[1])) for p in reversed(band.points)]
    mean = [(frame.x(p[0]), frame.y(p[2])) for p in band.points]
    stroke = f'stroke="{colour}"' + (f' stroke-dasharray="{dash}"' if dash else "")
    label = band.name if band.final is None else f"{band.name} {band.final:.3f}"
    x, y = mean[-1]
    return [
        f'<polygon points="{svg.join(above + below)}" fill="{colour}" fill-opacity=".16"/>',
        f'<polyline points="{svg.join(mean)}" fill="none" {stroke} stroke-width="2" stroke-linejoin="round"/>',
        svg.line(x + 3, y, frame.right + 13, place, f'stroke="{colour}"'),
        svg.text(frame.right + 17, place + 4.5, label, f'fill="{colour}" style="font-weight:600"'),
    ]


def ticks(low: float, high: float, count: int) -> list[float]:
    """Round numbers from low to high, about `count` of them."""
    raw = (high - low) / count
    if not raw > 0:
        return [low]
    power = 10 ** math.floor(math.log10(raw))
    step = next(m * power for m in (1, 2, 2.5, 5, 10) if m * power >= raw * 0.999)
    first, last = math.ceil(low / step - 1e-9), math.floor(high / step + 1e-9)
    return [round(index * step, 12) for index in range(first, last + 1)]

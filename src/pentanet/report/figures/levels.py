"""Occupancy of the levels beside what a Gaussian would give: the published figure 2, with the line that it lacks."""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from typing import Any

from pentanet.report.figures.canvas import INK, empty, panels
from pentanet.report.palette import LIGHT, Style
from pentanet.report.records import Arm, Bench
from pentanet.report.runs import Run
from pentanet.report.sizes import arm_styles, sizes
from pentanet.report.theory import gaussian_occupancy

COLUMNS = 4


def occupancy(bench: Bench, runs: Sequence[Run]) -> Any:
    """A panel per method, of the largest size; None if no method has levels."""
    del runs
    largest = sizes(bench)[-1:]
    arms = [arm for arm in bench.arms if arm.occupancy() and (not largest or arm.size == largest[0])]
    if not arms:
        return None
    columns = min(COLUMNS, len(arms))
    rows = math.ceil(len(arms) / columns)
    figure, axes = panels(rows, columns, (1.45 if rows <= 2 else 1.1) * rows + 0.25, sharey=True)
    style = arm_styles(bench)
    for panel, arm in zip(axes, arms, strict=False):
        _bars(panel, arm, style)
    for panel in axes[len(arms) :]:
        empty(panel)
    figure.supylabel("share of weights (%)", fontsize=7.5)
    return figure


def _bars(panel: Any, arm: Arm, style: Mapping[str, Style]) -> None:
    measured, expected = arm.occupancy(), gaussian_occupancy(arm.method)
    if measured.keys() <= expected.keys():
        measured = {level: measured.get(level, 0.0) for level in expected}
    places = list(range(len(measured)))
    heights = [100 * share for share in measured.values()]
    panel.bar(places, heights, width=0.68, color=LIGHT[style[arm.name].colour])
    tops = list(heights)
    if expected.keys() == measured.keys():
        lines = [100 * expected[level] for level in measured]
        panel.hlines(lines, [p - 0.42 for p in places], [p + 0.42 for p in places], color=INK, linewidth=1)
        tops = [max(pair) for pair in zip(heights, lines, strict=True)]
    if len(places) <= 7:
        for place, height, top in zip(places, heights, tops, strict=True):
            panel.annotate(f"{height:.1f}", (place, top), (0, 2), textcoords="offset points", ha="center", fontsize=5.5)
    shown = places if len(places) <= 9 else places[:: math.ceil(len(places) / 5)]
    names = [str(level).replace("-", "\u2212") for level in measured]
    panel.set_xticks(shown, [names[place] for place in shown])
    panel.set_title(arm.series, fontsize=7)
    panel.margins(y=0.16)

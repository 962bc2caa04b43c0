"""Loss, flip rate and what is measured in the blocks, over tokens: a line per method, a band over its seeds."""

from __future__ import annotations

import math
from collections.abc import Callable, Mapping, Sequence
from typing import Any

from pentanet.report.figures.canvas import RULE, counts, empty, legend, panels, percents, stroke
from pentanet.report.inside import MEASURES, Measure, Series
from pentanet.report.palette import KNOWN, Style
from pentanet.report.records import Arm, Bench
from pentanet.report.runs import Run
from pentanet.report.sizes import arm_styles, size_name, sizes

CROWD = 12  # more lines than this are told apart by nobody: the known ones keep their colours, the others are grey
LATE = 0.05  # the fall from an untrained network would flatten all that follows


def convergence(bench: Bench, runs: Sequence[Run]) -> Any:
    """Validation loss over tokens, a panel per size; None without runs."""
    return _over_time(bench, runs, lambda run: run.curves.valid, "validation loss (nats)", start=LATE)


def flips(bench: Bench, runs: Sequence[Run]) -> Any:
    """Share of the quantized weights that change level in a step, over tokens; None if nobody counted."""
    figure = _over_time(bench, runs, lambda run: run.curves.flips, "weights that change level in a step", start=0)
    for panel in figure.axes if figure else ():
        panel.yaxis.set_major_formatter(percents())
        panel.set_ylim(bottom=0)
    return figure


def inside(bench: Bench, runs: Sequence[Run]) -> Any:
    """Each measure of the blocks over training, and by block at its end; None without any.

    Of the largest size, and of a crowd of methods the known ones only.
    """
    largest = sizes(bench)[-1:]
    arms = [arm for arm in bench.arms if not largest or arm.size == largest[0]]
    arms = [arm for arm in arms if len(arms) <= CROWD or arm.series in KNOWN]
    shown = [m for m in MEASURES if any(run.curves.inside.table.get(m.key) for run in runs)]
    if not shown:
        return None
    style = arm_styles(bench)
    figure, axes = panels(len(shown), 2, 1.12 * len(shown) + 0.3)
    for measure, over_time, by_block in zip(shown, axes[::2], axes[1::2], strict=True):
        _measure(measure, (over_time, by_block), arms, runs, style)
    axes[-2].set_xlabel(_unit(runs))
    axes[-1].set_xlabel("block, at the end of training")
    legend(figure, axes)
    return figure


def _measure(
    measure: Measure, axes: tuple[Any, Any], arms: Sequence[Arm], runs: Sequence[Run], style: Mapping[str, Style]
) -> None:
    over_time, by_block = axes
    for arm in arms:
        own = [run for run in runs if run.method == arm.name]
        factor = own[0].tokens_per_step if own else 1.0
        look = Style(colour=style[arm.name].colour, dash="", marker="circle")
        _band(over_time, [run.curves.inside.over_time(measure) for run in own], factor, arm.name, look)
        _band(by_block, [run.curves.inside.at_the_end(measure) for run in own], 1, arm.name, look)
    over_time.set_title(measure.name)
    over_time.xaxis.set_major_formatter(counts())
    by_block.xaxis.get_major_locator().set_params(integer=True)
    if measure.share:
        for panel in axes:
            panel.yaxis.set_major_formatter(percents())


def _over_time(bench: Bench, runs: Sequence[Run], series: Callable[[Run], Series], label: str, *, start: float) -> Any:
    if not any(series(run) for run in runs):
        return None
    groups = sizes(bench) or [""]
    style, columns = arm_styles(bench), min(2, len(groups))
    rows = math.ceil(len(groups) / columns)
    tall = 3.2 if rows == 1 else 2.2 * rows
    figure, axes = panels(rows, columns, tall, sharey=start == 0)
    for panel, size in zip(axes, groups, strict=False):
        arms = [arm for arm in bench.arms if not size or arm.size == size]
        for arm in arms:
            own = [run for run in runs if run.method == arm.name]
            late = [_late(series(run), start * run.curves.last_step) for run in own]
            look = style[arm.name] if not size else Style(colour=style[arm.name].colour, dash="", marker="circle")
            factor = own[0].tokens_per_step if own else 1.0
            if len(arms) > CROWD and arm.series not in KNOWN:
                _band(panel, late, factor, "others", None)
            else:
                _band(panel, late, factor, arm.series, look)
        if size:
            panel.set_title(size_name(arms[0]))
        panel.xaxis.set_major_formatter(counts())
    for panel in axes[len(groups) :]:
        empty(panel)
    figure.supylabel(label, fontsize=7.5)
    figure.supxlabel(_unit(runs), fontsize=7.5)
    legend(figure, axes[: len(groups)])
    return figure


def _late(series: Series, start: float) -> Series:
    """What was measured from `start` on; everything where that would leave a dot."""
    late = [(step, value) for step, value in series if step >= start]
    return late if len(late) > 1 else series


def _band(panel: Any, runs: Sequence[Series], factor: float, name: str, style: Style | None) -> None:
    """The mean where every run was measured, and from the lowest to the highest of them."""
    columns = [dict(series) for series in runs if series]
    steps = sorted(set[int].intersection(*(set(column) for column in columns))) if columns else []
    if not steps:
        return
    values = [[column[step] for column in columns] for step in steps]
    x, means = [step * factor for step in steps], [math.fsum(v) / len(v) for v in values]
    if style is None:
        panel.plot(x, means, label=name, color=RULE, linewidth=0.7, zorder=1)
        return
    line = stroke(style)
    panel.plot(x, means, label=name, marker="." if len(x) == 1 else "", **line)
    if len(columns) > 1:
        panel.fill_between(x, [min(v) for v in values], [max(v) for v in values], color=line["color"], alpha=0.15, lw=0)


def _unit(runs: Sequence[Run]) -> str:
    return "training steps" if any(run.in_steps for run in runs) else "training tokens"

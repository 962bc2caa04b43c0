"""What the methods reach: over depth, over file size, and as paired differences."""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from typing import Any

from pentanet.report.figures.canvas import INK, dot, legend, log_marks, panels, stroke
from pentanet.report.palette import LIGHT, Style, styles
from pentanet.report.records import Arm, Bench, Difference
from pentanet.report.runs import Run
from pentanet.report.sizes import Pair, Rows, arm_styles, differences, over_depth, size_name

DIFFERENCE = "difference in validation loss (nats); below zero is better"
PAIRS = 4  # pairs beside the loss over depth; the page and the tables have all of them


def depth(bench: Bench, runs: Sequence[Run]) -> Any:
    """Loss over depth with every seed, and below it the paired differences at each; None for one depth."""
    del runs
    found = over_depth(bench)
    if not found:
        return None
    at = sorted({arm.layers for arms in found.values() for arm in arms if arm.layers is not None})
    pairs = list(differences(bench).items())[:PAIRS]
    figure, axes = panels(2 if pairs else 1, 1, 5.0 if pairs else 3.0, sharex=True)
    colours = styles(found)
    for series, arms in found.items():
        values = [list(arm.values("val_loss").values()) for arm in arms]
        x = [at.index(arm.layers or 0) for arm in arms]
        _sizes(axes[0], series, x, values, colours[series])
    axes[0].set_ylabel("validation loss (nats)")
    markers = ("circle", "square", "diamond", "triangle")
    for index, ((series, control), rows) in enumerate(pairs):
        look = Style(colour=colours[series].colour, dash="", marker=markers[index])
        x = [at.index(arm.layers or 0) + 0.11 * (index - (len(pairs) - 1) / 2) for arm, _ in rows]
        _points(axes[1], x, rows, f"{series} \u2212 {control}", look)
    if pairs:
        axes[1].axhline(0, color=INK, linewidth=0.8)
        axes[1].set_ylabel("difference, 95 % interval (nats)")
    axes[-1].set_xticks(range(len(at)), [str(layers) for layers in at])
    axes[-1].set_xlabel("layers, at about the same number of weights")
    legend(figure, axes)
    return figure


def frontier(bench: Bench, runs: Sequence[Run]) -> Any:
    """Loss against the bytes of the file on a logarithmic axis: seeds as dots, a line through sizes; None unpacked.

    In a suite over file sizes a second panel has the sizes that entropy-coded levels would take.
    """
    del runs
    arms = [arm for arm in bench.arms if arm.mean.get("bytes") and arm.values("val_loss")]
    if not arms or over_depth(bench):
        return None
    sized = len({arm.series for arm in arms}) < len(arms)
    coded = sized and all("coded_bytes" in arm.mean for arm in arms)
    figure, axes = panels(1, 1 + coded, max(3.4, 0.125 * len(arms) * (not sized) + 0.4), sharey=True)
    _over_bytes(axes[0], bench, arms, "bytes")
    axes[0].set_ylabel("validation loss (nats)")
    axes[0].set_xlabel("bytes of the file (logarithmic)")
    if coded:
        _over_bytes(axes[1], bench, arms, "coded_bytes")
        axes[0].set_title("as stored")
        axes[1].set_title("with entropy-coded levels")
        axes[1].set_xlabel("bytes of the file (logarithmic)")
    legend(figure, axes)
    return figure


def _over_bytes(panel: Any, bench: Bench, arms: Sequence[Arm], metric: str) -> None:
    style = arm_styles(bench)
    panel.set_xscale("log")
    for series in dict.fromkeys(arm.series for arm in arms):
        own = sorted((arm for arm in arms if arm.series == series), key=lambda arm: arm.mean[metric])
        values = [list(arm.values("val_loss").values()) for arm in own]
        _sizes(panel, series, [arm.mean[metric] for arm in own], values, style[own[-1].name])
    every = [arm.mean[metric] for arm in arms]
    low, high = min(every) / 1.08, max(every) * 1.08
    panel.set_xlim(low, high)
    log_marks(panel.xaxis, places=[p for p in _round_sizes(low, high) if low <= p <= high])


def forest(bench: Bench, runs: Sequence[Run]) -> Any:
    """Paired differences with their intervals; None without any.

    A panel per control side by side, methods from the least loss down; in a suite of several sizes a panel per pair,
    one below the other.
    """
    del runs
    pairs, style = differences(bench), arm_styles(bench)
    return _by_pair(pairs, style) if pairs else _by_control(bench, style)


def _by_pair(pairs: Mapping[Pair, Rows], style: Mapping[str, Style]) -> Any:
    heights = [len(rows) + 1.6 for rows in pairs.values()]
    figure, axes = panels(
        len(pairs), 1, 0.155 * sum(heights) + 0.5, sharex=True, gridspec_kw={"height_ratios": heights}
    )
    for panel, ((series, control), rows) in zip(axes, pairs.items(), strict=True):
        shown = [(d, style[arm.name]) for arm, d in rows]
        _intervals(panel, f"{series} \u2212 {control}", shown, [size_name(arm) for arm, _ in rows])
    axes[-1].set_xlabel(DIFFERENCE)
    return figure


def _by_control(bench: Bench, style: Mapping[str, Style]) -> Any:
    found = {(d.method, d.control): d for d in bench.losses if d.difference is not None}
    controls = [c for c in bench.controls if any(control == c for _, control in found)]
    arms = [arm for arm in bench.arms if any(method == arm.name for method, _ in found)]
    if not controls or not arms:
        return None
    arms.sort(key=lambda arm: arm.mean.get("val_loss", math.inf))
    figure, axes = panels(1, len(controls), 0.155 * len(arms) + 0.8, sharey=True)
    for panel, control in zip(axes, controls, strict=True):
        shown = [(found.get((arm.name, control)), style[arm.name]) for arm in arms]
        _intervals(panel, f"minus {control}", shown, [arm.name for arm in arms])
    figure.supxlabel(DIFFERENCE, fontsize=7.5)
    return figure


def _intervals(panel: Any, title: str, rows: Sequence[tuple[Difference | None, Style]], names: Sequence[str]) -> None:
    for place, (d, style) in enumerate(rows):
        if d is None:
            continue
        if d.low is not None and d.high is not None:
            panel.plot([d.low, d.high], [place, place], color=LIGHT[style.colour], linewidth=1.2)
        panel.plot([d.difference], [place], **dot(style))
    panel.axvline(0, color=INK, linewidth=0.8)
    panel.set_ylim(len(rows) - 0.4, -0.6)
    panel.set_yticks(range(len(rows)), names, fontsize=6.5)
    panel.locator_params(axis="x", nbins=4)
    panel.grid(visible=True, axis="x")
    panel.grid(visible=False, axis="y")
    panel.set_title(title, fontsize=7)


def _sizes(panel: Any, name: str, x: Sequence[float], values: Sequence[Sequence[float]], style: Style) -> None:
    means, shape = [math.fsum(v) / len(v) for v in values], dot(style)
    plain = Style(colour=style.colour, dash="", marker=style.marker)
    panel.plot(x, means, label=name, zorder=3, marker=shape["marker"], **stroke(plain))
    for place, seeds in zip(x, values, strict=True):
        panel.plot(
            [place] * len(seeds),
            seeds,
            color=shape["color"],
            marker=".",
            markersize=3,
            alpha=0.55,
            linestyle="-",
            linewidth=0.5,
        )


def _points(panel: Any, x: Sequence[float], rows: Rows, name: str, style: Style) -> None:
    means = [d.difference or 0.0 for _, d in rows]
    for place, (_, d) in zip(x, rows, strict=True):
        if d.low is not None and d.high is not None:
            panel.plot([place, place], [d.low, d.high], color=LIGHT[style.colour], linewidth=1.2)
    panel.plot(x, means, label=name, **dot(style))


def _round_sizes(low: float, high: float) -> list[float]:
    powers = range(math.floor(math.log10(low)), math.ceil(math.log10(high)) + 1)
    for steps in ((1, 1.2, 1.5, 2, 2.5, 3, 4, 5, 6, 8), (1, 1.5, 2, 3, 4, 6), (1, 2, 5), (1,)):
        places = [m * 10.0**p for p in powers for m in steps]
        if sum(low <= place <= high for place in places) <= 6:  # more would run into each other in half a page
            return places
    return [10.0**p for p in powers]

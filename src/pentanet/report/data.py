"""The numbers that the page carries for its script to draw."""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from typing import Any

from pentanet.report.formats import tidy
from pentanet.report.inside import MEASURES, Measure
from pentanet.report.metrics import average, thin
from pentanet.report.palette import Style, styles
from pentanet.report.records import Arm, Bench, Difference
from pentanet.report.runs import Run
from pentanet.report.sizes import differences, over_depth, size_name
from pentanet.report.theory import gaussian_occupancy
from pentanet.report.verdicts import caveat

Json = dict[str, Any]
CURVES = ("valid", "train", "flips")
INSIDE_POINTS = 50
HEAT_TIMES = 16


def data(bench: Bench, runs: Sequence[Run], style: Mapping[str, Style]) -> Json:
    """Everything that the figures are drawn from, as JSON can hold it."""
    inside = [m for m in MEASURES if any(run.curves.inside.table.get(m.key) for run in runs)]
    return {
        "unit": "steps" if any(run.in_steps for run in runs) else "tokens",
        "seeds": bench.seeds,
        "methods": [_method(arm, style[arm.name]) for arm in bench.arms],
        "runs": _runs(runs, inside),
        "forest": _forest(bench, style),
        "depth": _depth(bench),
        "measures": [
            {"key": m.key, "name": m.name, "note": m.note, "share": m.share, "heat": _heat(runs, m)} for m in inside
        ],
    }


def _method(arm: Arm, style: Style) -> Json:
    measured, expected = arm.occupancy(), gaussian_occupancy(arm.method)
    if measured and measured.keys() <= expected.keys():
        measured = {level: measured.get(level, 0.0) for level in expected}
    losses = arm.values("val_loss")
    return {
        "name": arm.name,
        "series": arm.series,
        **_style(style),
        "levels": list(measured),
        "measured": [tidy(share) for share in measured.values()],
        "expected": [tidy(expected[level]) for level in measured] if expected.keys() == measured.keys() else [],
        "kurtosis": arm.mean.get("kurtosis"),
        "moved": arm.mean.get("moved"),
        "loss": arm.mean.get("val_loss"),
        "sd": arm.sd.get("val_loss"),
        "losses": [tidy(loss) for loss in losses.values()],
        "file": arm.mean.get("file_bits_per_weight"),
        "grid": arm.mean.get("quantized_bits_per_weight"),
        "bytes": arm.mean.get("bytes"),
        "coded": arm.mean.get("coded_bytes"),
    }


def _style(style: Style) -> Json:
    return {"colour": style.colour, "dash": style.dash, "marker": style.marker}


def _runs(runs: Sequence[Run], inside: Sequence[Measure]) -> list[Json]:
    longest = {name: max((len(getattr(run.curves, name)) for run in runs), default=0) for name in CURVES}
    found: list[Json] = []
    for run in runs:
        row: Json = {"method": run.method, "seed": run.seed}
        for name in CURVES:
            x, y = (average if name == "train" else thin)(getattr(run.curves, name), longest[name])
            row[name] = {"x": [round(step * run.tokens_per_step) for step in x], "y": y}
        for measure in inside:
            x, y = thin(run.curves.inside.over_time(measure), longest["valid"], INSIDE_POINTS)
            row[f"time {measure.key}"] = {"x": [round(step * run.tokens_per_step) for step in x], "y": y}
            ends = run.curves.inside.at_the_end(measure)
            row[f"end {measure.key}"] = {"x": [block for block, _ in ends], "y": [tidy(value) for _, value in ends]}
        found.append(row)
    return found


def _heat(runs: Sequence[Run], measure: Measure) -> Json:
    """By method: names of the blocks, tokens, and for each block its values over time, mean over seeds."""
    found: Json = {}
    for method in dict.fromkeys(run.method for run in runs):
        own = [run for run in runs if run.method == method]
        tables = [run.curves.inside.table.get(measure.key, {}) for run in own]
        if not all(tables):
            continue
        steps = sorted({step for table in tables for series in table.values() for step, _ in series})
        steps = steps[:: max(1, math.ceil(len(steps) / HEAT_TIMES))]
        names = list(tables[0])
        columns = [[dict(table.get(name, [])) for table in tables] for name in names]
        found[method] = {
            "names": names,
            "x": [round(step * own[0].tokens_per_step) for step in steps],
            "values": [[_mean([c.get(step) for c in column]) for step in steps] for column in columns],
        }
    return found


def _mean(values: Sequence[float | None]) -> float | None:
    known = [value for value in values if value is not None]
    return float(f"{math.fsum(known) / len(known):.3g}") if known else None


def _forest(bench: Bench, style: Mapping[str, Style]) -> list[Json]:
    """Groups of differences: one per control, or in a suite of several sizes one per pair with a row per size."""
    pairs = differences(bench)
    if pairs:
        return [
            {
                "title": f"{series} minus {control}",
                "rows": [_difference(d, size_name(arm), style[arm.name]) for arm, d in rows],
            }
            for (series, control), rows in pairs.items()
        ]
    shown = [d for d in bench.losses if d.difference is not None and d.method in style]
    return [
        {
            "title": f"minus {control}",
            "rows": [_difference(d, d.method, style[d.method]) for d in shown if d.control == control],
        }
        for control in bench.controls
    ]


def _difference(d: Difference, name: str, style: Style) -> Json:
    verdict = d.verdict + ("*" if caveat(d) else "")
    return {"name": name, **_style(style), "d": d.difference, "low": d.low, "high": d.high, "verdict": verdict}


def _depth(bench: Bench) -> Json:
    """A line per series over the depths."""
    found = over_depth(bench)
    colours = styles(found)
    rows: list[Json] = []
    for series, arms in found.items():
        values = [list(arm.values("val_loss").values()) for arm in arms]
        rows.append(
            {
                "method": {"name": series, **_style(colours[series])},
                "seeds": max(map(len, values)),
                "x": [arm.layers for arm in arms],
                "low": [tidy(min(v)) for v in values],
                "mean": [tidy(math.fsum(v) / len(v)) for v in values],
                "high": [tidy(max(v)) for v in values],
            }
        )
    return {"depths": sorted({x for row in rows for x in row["x"]}), "lines": rows}

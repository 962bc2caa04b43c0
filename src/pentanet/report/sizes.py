"""Suites that train a method at several sizes: lines over depth or file size, and paired differences at each size."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

from pentanet.report.palette import DASHES, Style, styles
from pentanet.report.records import Arm, Bench, Difference
from pentanet.report.verdicts import ending, listed

Pair = tuple[str, str]
Rows = list[tuple[Arm, Difference]]
# What these suites are run for, most telling first.
FIRST = (("pentanary", "ternary"), ("ternary", "pentanary"), ("pentanet-seed", "bitnet-seed"))
NAMES = {"s": "small", "m": "middle", "l": "large"}


def sizes(bench: Bench) -> list[str]:
    """The sizes that were trained, in order; empty in a suite of one size."""
    found = dict.fromkeys(arm.size for arm in bench.arms if arm.size and arm.values("val_loss"))
    return sorted(found, key=_order) if len(found) > 1 else []


def over_depth(bench: Bench) -> dict[str, list[Arm]]:
    """Arms by series, each sorted by depth; empty if the suite does not vary the depth."""
    found: dict[str, list[Arm]] = {}
    for arm in bench.arms if sizes(bench) else ():
        if arm.layers is not None and arm.values("val_loss"):
            found.setdefault(arm.series, []).append(arm)
    return {series: sorted(arms, key=lambda arm: arm.layers or 0) for series, arms in found.items()}


def differences(bench: Bench) -> dict[Pair, Rows]:
    """Comparisons within one size by (series, series of the control), each sorted by size."""
    found: dict[Pair, Rows] = {}
    for d in bench.losses if sizes(bench) else ():
        method, control = bench.arm(d.method), bench.arm(d.control)
        if d.difference is not None and method and control and method.size and method.size == control.size:
            found.setdefault((method.series, control.series), []).append((method, d))
    order = sorted(found, key=lambda pair: FIRST.index(pair) if pair in FIRST else len(FIRST))
    return {pair: sorted(found[pair], key=lambda row: _order(row[0].size)) for pair in order}


def size_name(arm: Arm) -> str:
    """The size in words: "24 layers", "middle"."""
    return f"{arm.size} layers" if arm.layers is not None else NAMES.get(arm.size, arm.size)


def sentence(pair: Pair, rows: Rows) -> str:
    """How the comparisons of two series ended at each size, as in "lower at 4 and 12; higher at 24 layers"."""
    groups: dict[str, list[str]] = {}
    for arm, d in rows:
        name = arm.size if arm.layers is not None else size_name(arm)
        groups.setdefault(ending(d), []).append(name)
    unit = "layers" if rows[0][0].layers is not None else "file size"
    parts = "; ".join(f"{words} at {listed(places)}" for words, places in groups.items())
    return f"{pair[0]} against {pair[1]}, validation loss: {parts} {unit}."


def arm_styles(bench: Bench) -> dict[str, Style]:
    """A colour and marker per series; sizes of a series differ in their dashes."""
    found, order = styles(dict.fromkeys(arm.series for arm in bench.arms)), sizes(bench)
    return {arm.name: _dashed(found, arm, order) for arm in bench.arms}


def _dashed(found: Mapping[str, Style], arm: Arm, order: Sequence[str]) -> Style:
    style = found[arm.series]
    if arm.size not in order:
        return style
    # The largest size has the plain line.
    dash = DASHES[(len(order) - 1 - order.index(arm.size)) % len(DASHES)]
    return Style(colour=style.colour, dash=dash, marker=style.marker)


def _order(size: str) -> tuple[int, int]:
    return (0, int(size)) if size.isdecimal() else (1, "sml".find(size))

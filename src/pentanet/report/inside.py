"""What training measured in each block of the network: the columns `layers`, `gradient_rank` and `residual`.

Everything comes out as one table: measure, block, step, value.  A record without these columns gives an empty one.
"""

from __future__ import annotations

import math
import re
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from typing import Any, cast

from pentanet.report.formats import finite

Series = list[tuple[int, float]]
_BLOCK = re.compile(r"(?:^|\.)(\d+)(?:\.|$)")


@dataclass(frozen=True, kw_only=True, slots=True)
class Measure:
    """One thing that is measured in a block.

    Attributes:
        key: name of the column in metrics.jsonl.
        name: as a reader calls it.
        note: what it means, in a sentence.
        share: a share of weights, shown in percent.
        deepest: over time the value of the last block is shown, and not the mean over blocks.
    """

    key: str
    name: str
    note: str
    share: bool = False
    deepest: bool = False


MEASURES = (
    Measure(
        key="flip_rate",
        name="flip rate",
        note="Share of the quantized weights whose level changed in the last step.",
        share=True,
    ),
    Measure(
        key="dead",
        name="dead zone",
        note="Share of the quantized weights that stood on level 0 in the last three validations.",
        share=True,
    ),
    Measure(
        key="saturation",
        name="saturation",
        note="Share of the latent weights beyond what rounds to the outer levels: the clip takes something from them.",
        share=True,
    ),
    Measure(
        key="variance_ratio",
        name="effective variance",
        note="Mean square of what the forward pass multiplies by, over that of the latent weights. 1 keeps the size of "
        "the weights; ternary absmean on Gaussian weights gives 0.44.",
    ),
    Measure(key="kurtosis", name="kurtosis", note="Excess kurtosis of the latent weights; 0 for Gaussian ones."),
    Measure(
        key="residual",
        name="residual growth",
        note="Root mean square of the residual stream after a block, over that before the first one, on one window of "
        "validation text. Over time: after the last block.",
        deepest=True,
    ),
    Measure(
        key="gradient_rank",
        name="gradient rank",
        note="Effective rank of the gradient: exp of the entropy of its normalized singular values, for the first, the "
        "middle and the last matrix.",
    ),
)


@dataclass(frozen=True, kw_only=True, slots=True)
class Inside:
    """Values by measure, then block, then step.

    Attributes:
        table: block names are numbers as text, or names of modules outside of the blocks.
    """

    table: Mapping[str, Mapping[str, Series]]

    def over_time(self, measure: Measure) -> Series:
        """The mean over blocks at each step, or the value of the last block."""
        blocks = self.table.get(measure.key, {})
        if measure.deepest and blocks:
            return list(blocks[max(blocks, key=lambda name: int(name) if name.isdigit() else -1)])
        columns: dict[int, list[float]] = {}
        for series in blocks.values():
            for step, value in series:
                columns.setdefault(step, []).append(value)
        return [(step, math.fsum(values) / len(values)) for step, values in sorted(columns.items())]

    def at_the_end(self, measure: Measure) -> Series:
        """The last value of each numbered block, by block."""
        blocks = self.table.get(measure.key, {})
        return sorted((int(name), series[-1][1]) for name, series in blocks.items() if name.isdigit())


def read_inside(rows: Iterable[Mapping[str, Any]]) -> Inside:
    """Collect the columns of the evaluations of one run; what is no number is left out."""
    table: dict[str, dict[str, Series]] = {}
    for row in rows:
        for measure, block, value in _values(row):
            table.setdefault(measure, {}).setdefault(block, []).append((row["step"], value))
    return Inside(table=table)


def _values(row: Mapping[str, Any]) -> Iterable[tuple[str, str, float]]:
    layers = row.get("layers")
    if isinstance(layers, dict):
        columns = cast("dict[str, Any]", layers)
        names = _list(columns.get("name"))
        for key in (m.key for m in MEASURES):
            for name, value in zip(names, _list(columns.get(key)), strict=False):
                if (number := finite(value)) is not None:
                    yield key, str(name), number
    yield from _residual([finite(size) for size in _list(row.get("residual"))])
    ranks = row.get("gradient_rank")
    if isinstance(ranks, dict):
        for block, values in _by_block(cast("dict[str, Any]", ranks)).items():
            yield "gradient_rank", block, math.fsum(values) / len(values)


def _residual(sizes: list[float | None]) -> Iterable[tuple[str, str, float]]:
    first = sizes[0] if sizes else None
    if first:
        for block, size in enumerate(sizes[1:]):
            if size is not None:
                yield "residual", str(block), size / first


def _by_block(ranks: Mapping[str, Any]) -> dict[str, list[float]]:
    found: dict[str, list[float]] = {}
    for name, value in ranks.items():
        if (number := finite(value)) is not None:
            block = _BLOCK.search(name)
            found.setdefault(block[1] if block else name, []).append(number)
    return found


def _list(value: Any) -> list[Any]:
    return cast("list[Any]", value) if isinstance(value, list) else []

"""Curves from metrics.jsonl, thinned to what a picture can show."""

from __future__ import annotations

import json
import math
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, cast

from pentanet.errors import RecordError
from pentanet.report.formats import finite, tidy
from pentanet.report.inside import Inside, Series, read_inside

MAX_POINTS = 400


@dataclass(frozen=True, kw_only=True, slots=True)
class Curves:
    """What one training run wrote, by step.

    Attributes:
        train: training loss.
        valid: validation loss.
        flips: share of weights that changed level.
        last_step: the last step written.
        tokens: tokens seen at `last_step`; None if the run did not count them.
        diverged: the first step with a loss that is not finite, or None.
        last: the last evaluation as it was written.
        inside: what was measured in each block.
    """

    train: Series
    valid: Series
    flips: Series
    last_step: int
    tokens: int | None
    diverged: int | None
    last: dict[str, Any]
    inside: Inside


def read_curves(path: Path) -> Curves:
    """Read a metrics.jsonl.

    A last line without an end is what a killed run leaves and is ignored.

    Raises:
        RecordError: any other line is not a JSON object with a step; names the file and the line.
    """
    columns: dict[str, dict[int, float]] = {"train_loss": {}, "val_loss": {}, "flip_rate": {}}
    bad: list[int] = []
    tokens: dict[int, int] = {}
    last_step, last = 0, dict[str, Any]()
    rows = _rows(path)
    for row in rows:
        step = row["step"]
        last_step = max(last_step, step)
        if isinstance(row.get("tokens"), int):
            tokens[step] = row["tokens"]
        if "val_loss" in row:
            last = row
        for key, column in columns.items():
            value = finite(row.get(key))
            if value is not None:
                column[step] = value
            elif key in row and key != "flip_rate":
                bad.append(step)
    train, valid, flips = (sorted(columns[key].items()) for key in ("train_loss", "val_loss", "flip_rate"))
    counted = max(tokens, default=0)
    return Curves(
        train=train,
        valid=valid,
        flips=flips,
        last_step=last_step,
        tokens=round(tokens[counted] * last_step / counted) if counted else None,
        diverged=min(bad, default=None),
        last=last,
        inside=read_inside(rows),
    )


def _rows(path: Path) -> list[dict[str, Any]]:
    text = path.read_text(encoding="utf-8", errors="replace")
    lines = text.split("\n")
    rows: list[dict[str, Any]] = []
    for index, line in enumerate(lines):
        if not line.strip():
            continue
        try:
            row: Any = json.loads(line)
        except ValueError:
            row = None
        if isinstance(row, dict) and isinstance(cast("dict[str, Any]", row).get("step"), int):
            rows.append(cast("dict[str, Any]", row))
        elif index < len(lines) - 1:
            raise RecordError(
                f"{path}: line {index + 1} is not a JSON object with a 'step'. "
                "Remove the line, or continue the run from its last checkpoint."
            )
    return rows


def thin(series: Series, longest: int, points: int = MAX_POINTS) -> tuple[list[int], list[float]]:
    """Every k-th point and the last one; k from `longest`, so that runs of one bench keep the same steps."""
    stride = max(1, math.ceil(longest / (points - 1)))
    kept = series[::stride]
    if series and kept[-1] != series[-1]:
        kept.append(series[-1])
    return [step for step, _ in kept], [tidy(value) for _, value in kept]


def average(series: Series, longest: int) -> tuple[list[int], list[float]]:
    """Means over runs of k points, at the last step of each; training loss is too noisy to be sampled."""
    stride = max(1, math.ceil(longest / MAX_POINTS))
    blocks: Sequence[Series] = [series[i : i + stride] for i in range(0, len(series), stride)]
    return [b[-1][0] for b in blocks], [tidy(math.fsum(v for _, v in b) / len(b)) for b in blocks]

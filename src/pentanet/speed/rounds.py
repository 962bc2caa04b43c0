"""From the rounds of a measurement to numbers.

Each round measures a limit of the machine and then the work, within milliseconds.  Clocks and neighbours change from
second to second, so the fraction of a limit is taken in each round, and the median over rounds is what counts.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field
from statistics import median

import numpy as np


@dataclass(frozen=True, kw_only=True, slots=True)
class Measured:
    """A rate beside its limit.

    Attributes:
        value: median rate, in the unit of the limit.
        fraction: median over the rounds of rate / limit.
        spread: quarter to three quarters of the rounds: the width of this range of the fraction, over its median.
    """

    value: float
    fraction: float
    spread: float


def against_limit(work: float, seconds: Sequence[float], limits: Sequence[float]) -> Measured:
    """Compare rounds with their limits.

    Args:
        work: how much a round does (bytes, operations).
        seconds: time of each round.
        limits: the limit in each round, in the unit of `work` per second.
    """
    rates = work / np.array(seconds)
    fractions = rates / np.array(limits)
    low, middle, high = np.quantile(fractions, (0.25, 0.5, 0.75))
    return Measured(value=float(np.median(rates)), fraction=float(middle), spread=float((high - low) / middle))


@dataclass(frozen=True, slots=True)
class Limits:
    """All that was seen of the limits during a run, by thread count: bytes and operations per second."""

    read: dict[int, list[float]] = field(default_factory=dict[int, list[float]])
    multiply: dict[int, list[float]] = field(default_factory=dict[int, list[float]])

    def to_dict(self) -> dict[str, dict[str, float]]:
        """Medians: `read_gbps` in 10^9 bytes and `int8_gops` in 10^9 operations per second, by thread count."""
        return {"read_gbps": _medians(self.read), "int8_gops": _medians(self.multiply)}


def _medians(samples: dict[int, list[float]]) -> dict[str, float]:
    return {str(threads): median(values) / 1e9 for threads, values in samples.items()}

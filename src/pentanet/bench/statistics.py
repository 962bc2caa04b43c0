"""Means over seeds, paired differences with intervals, and what may be said of them.

Two methods that are trained with the same seed share their initial weights and their batches, so the difference is
taken within each seed and the seeds are the sample.  With n seeds the difference has a Student t interval with n - 1
degrees of freedom: wide for three seeds, and that width is the honest part.
"""

from __future__ import annotations

import math
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import asdict, dataclass, replace
from typing import Any

CONFIDENCE = 0.95

BETTER = "better"
WORSE = "worse"
HOLDS, FAILS = "holds", "does not hold"
NOT_DISTINGUISHABLE = "not distinguishable"
ONE_SEED = "one seed: no interval"
NO_SEED = "no common seed"


def mean(values: Iterable[float]) -> float:
    """Arithmetic mean; NaN for no values."""
    xs = list(values)
    return math.fsum(xs) / len(xs) if xs else math.nan


def sample_sd(values: Iterable[float]) -> float | None:
    """Sample standard deviation (divisor n - 1); None for fewer than two values."""
    xs = list(values)
    if len(xs) < 2:
        return None
    centre = mean(xs)
    return math.sqrt(math.fsum((x - centre) ** 2 for x in xs) / (len(xs) - 1))


@dataclass(frozen=True, kw_only=True, slots=True)
class TInterval:
    """Student t interval for the mean of a sample, and the two-sided test of a mean of zero."""

    mean: float
    low: float
    high: float
    t: float
    df: int
    p: float


def t_interval(values: Iterable[float], confidence: float = CONFIDENCE) -> TInterval | None:
    """Interval for the mean of independent normal values; None for fewer than two of them.

    Values that are all equal have an interval of no width: t is infinite and p zero, or, if they are all zero, t is
    zero and p one.
    """
    # The t distribution without scipy.stats, which takes a second to import; scipy has no type stubs.
    from scipy import special  # pyright: ignore[reportMissingTypeStubs]

    library: Any = special
    xs = list(values)
    sd = sample_sd(xs)
    if sd is None:
        return None
    centre, df = mean(xs), len(xs) - 1
    error = sd / math.sqrt(len(xs))
    t = centre / error if error > 0 else math.copysign(math.inf, centre) if centre else 0.0
    half = float(library.stdtrit(df, (1 + confidence) / 2)) * error
    p = min(1.0, 2 * float(library.stdtr(df, -abs(t))))
    return TInterval(mean=centre, low=centre - half, high=centre + half, t=t, df=df, p=p)


@dataclass(frozen=True, kw_only=True, slots=True)
class Comparison:
    """One method against one control on one metric, paired over their common seeds.

    Attributes:
        n: number of seeds that both have.
        difference: mean of method minus control; None without a common seed.
        low: lower end of the 95 % t interval of the difference; None for fewer than two seeds, as are `high` and `p`.
        high: upper end.
        p: two-sided p value of a difference of zero, for this comparison alone.
        verdict: "better", "worse", "not distinguishable", "one seed: no interval" or "no common seed".
        p_holm: p value after Holm's correction for the comparisons made together with this one; None if not made.
    """

    method: str
    control: str
    metric: str
    n: int
    difference: float | None
    low: float | None
    high: float | None
    p: float | None
    verdict: str
    p_holm: float | None = None

    def to_dict(self) -> dict[str, Any]:
        """The fields as JSON can hold them."""
        return asdict(self)


def compare(
    method: str,
    control: str,
    metric: str,
    method_values: Mapping[str, float],
    control_values: Mapping[str, float],
    *,
    lower_is_better: bool = True,
) -> Comparison:
    """Compare a method with a control, seed by seed.

    Args:
        method: name of the method.
        control: name of what it is compared with.
        metric: name of what was measured.
        method_values: the metric of the method per seed; seeds that only one of the two has are left out, and so are
            values that are not finite (a run that diverged is not a measurement).
        control_values: the metric of the control per seed.
        lower_is_better: True for losses and sizes.
    """
    pairs = [(method_values[seed], control_values[seed]) for seed in method_values if seed in control_values]
    differences = [a - b for a, b in pairs if math.isfinite(a) and math.isfinite(b)]
    interval = t_interval(differences)
    if interval is None:
        difference, verdict = (differences[0], ONE_SEED) if differences else (None, NO_SEED)
    else:
        difference, verdict = interval.mean, _verdict(interval.low, interval.high, lower_is_better)
    return Comparison(
        method=method,
        control=control,
        metric=metric,
        n=len(differences),
        difference=difference,
        low=interval.low if interval else None,
        high=interval.high if interval else None,
        p=interval.p if interval else None,
        verdict=verdict,
    )


def _verdict(low: float, high: float, lower_is_better: bool) -> str:
    if low <= 0 <= high:
        return NOT_DISTINGUISHABLE
    return BETTER if (high < 0) == lower_is_better else WORSE


@dataclass(frozen=True, kw_only=True, slots=True)
class Estimate:
    """A weighted sum of the losses of several arms, taken within each seed that all of them have.

    Attributes:
        title: what a value below zero says.
        weights: by arm.
        n: number of seeds.
        estimate: mean over the seeds; None without a common seed.
        low, high, p: as in `Comparison`.
        verdict: "holds" if the interval lies below zero, "does not hold" if above, or as in `Comparison`.
    """

    name: str
    title: str
    weights: dict[str, float]
    n: int
    estimate: float | None
    low: float | None
    high: float | None
    p: float | None
    verdict: str

    def to_dict(self) -> dict[str, Any]:
        """The fields as JSON can hold them."""
        return asdict(self)


def contrast(
    name: str, title: str, weights: Mapping[str, float], values: Mapping[str, Mapping[str, float]]
) -> Estimate:
    """Interval for a weighted sum of arms, paired by seed.

    Args:
        title: what a value below zero says.
        weights: by arm.
        values: by arm and seed; values that are not finite are left out with their seed.
    """
    seeds = [seed for seed in values[next(iter(weights))] if all(seed in values[arm] for arm in weights)]
    sums = [math.fsum(weight * values[arm][seed] for arm, weight in weights.items()) for seed in seeds]
    sums = [value for value in sums if math.isfinite(value)]
    interval = t_interval(sums)
    if interval is None:
        estimate, verdict = (sums[0], ONE_SEED) if sums else (None, NO_SEED)
    else:
        words = {BETTER: HOLDS, WORSE: FAILS}
        verdict = _verdict(interval.low, interval.high, lower_is_better=True)
        estimate, verdict = interval.mean, words.get(verdict, verdict)
    return Estimate(
        name=name,
        title=title,
        weights=dict(weights),
        n=len(sums),
        estimate=estimate,
        low=interval.low if interval else None,
        high=interval.high if interval else None,
        p=interval.p if interval else None,
        verdict=verdict,
    )


def holm(p_values: Sequence[float]) -> list[float]:
    """P values adjusted for being looked at together (Holm 1979, step-down), in the order given.

    Rejecting where the adjusted value is below alpha keeps the chance of even one false rejection below alpha.
    """
    count = len(p_values)
    adjusted, running = [0.0] * count, 0.0
    for rank, index in enumerate(sorted(range(count), key=p_values.__getitem__)):
        running = max(running, min(1.0, (count - rank) * p_values[index]))
        adjusted[index] = running
    return adjusted


def with_holm(comparisons: Sequence[Comparison]) -> list[Comparison]:
    """The same comparisons with `p_holm` set, those without a p value left as they are.

    The verdict stays that of the single interval; a reader who ranks many arms should look at `p_holm`.
    """
    tested = [c for c in comparisons if c.p is not None]
    adjusted = iter(holm([c.p for c in tested if c.p is not None]))
    return [c if c.p is None else replace(c, p_holm=next(adjusted)) for c in comparisons]

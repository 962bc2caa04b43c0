"""A finite set of weight levels, and what theory says of it.

A quantized weight is `scale * level` with `level` from a small set of integers.  Everything that depends on the set
alone lives here: bits, thresholds, and the closed-form behaviour on a unit Gaussian (mean squared error, occupancy,
entropy, best step), which the tests of every quantizer are held against.
"""

from __future__ import annotations

import math
from dataclasses import dataclass
from functools import cache

from pentanet.errors import UnknownNameError

GAUSSIAN_ABSMEAN = math.sqrt(2 / math.pi)  # mean |x| of a standard normal variable


@dataclass(frozen=True, slots=True)
class GaussianFit:
    """What a grid with a given step does to a standard normal weight.

    Attributes:
        mse: mean squared error, in units of the weight's variance.
        occupancy: share of weights at each level, lowest level first.
        entropy: bits per weight that an ideal entropy coder would need.
        residual: 1 - rho^2, the error that remains after the best rescale of the quantized weight.
        variance: variance of the quantized weight, in units of the weight's variance.
    """

    mse: float
    occupancy: tuple[float, ...]
    entropy: float
    residual: float
    variance: float


@dataclass(frozen=True, slots=True)
class Grid:
    """Evenly spaced integer levels, ascending.

    `spacing` is 1 for grids with a zero level and 2 for those without (binary {-1,1}, quaternary {-3,-1,1,3}), so
    that levels stay integers and symmetric grids stay symmetric.
    """

    name: str
    levels: tuple[int, ...]

    def __post_init__(self) -> None:
        steps = {b - a for a, b in zip(self.levels, self.levels[1:], strict=False)}
        assert len(steps) == 1 and steps <= {1, 2}, f"{self.name}: levels must be evenly spaced by 1 or 2"

    @property
    def size(self) -> int:
        """Number of levels."""
        return len(self.levels)

    @property
    def bits(self) -> float:
        """Bits per weight without entropy coding: log2 of the number of levels."""
        return math.log2(self.size)

    @property
    def spacing(self) -> int:
        """Distance between neighbouring levels."""
        return self.levels[1] - self.levels[0]

    @property
    def lowest(self) -> int:
        return self.levels[0]

    @property
    def highest(self) -> int:
        return self.levels[-1]

    @property
    def has_zero(self) -> bool:
        return 0 in self.levels

    def gaussian(self, scale: float) -> GaussianFit:
        """Closed-form statistics of rounding N(0,1) to `scale * level` with nearest-level thresholds.

        Args:
            scale: weight value of level 1, in standard deviations.
        """
        edges = [
            -math.inf,
            *(scale * (a + b) / 2 for a, b in zip(self.levels, self.levels[1:], strict=False)),
            math.inf,
        ]
        share: list[float] = []
        second, cross = 0.0, 0.0
        for level, low, high in zip(self.levels, edges, edges[1:], strict=False):
            p = _cdf(high) - _cdf(low)
            share.append(p)
            second += p * (scale * level) ** 2
            cross += scale * level * (_pdf(low) - _pdf(high))
        return GaussianFit(
            mse=1 - 2 * cross + second,
            occupancy=tuple(share),
            entropy=-sum(p * math.log2(p) for p in share if p > 0),
            residual=1 - cross * cross / second,
            variance=second,
        )

    def optimal_scale(self) -> float:
        """Scale (value of level 1, in standard deviations) with the least squared error on N(0,1).

        1.2240 for ternary and 0.8430 for pentanary, the constants of QuEST (2502.05003) extended to five levels.
        """
        return _optimal_scale(self)


def _pdf(x: float) -> float:
    return 0.0 if math.isinf(x) else math.exp(-x * x / 2) / math.sqrt(2 * math.pi)


def _cdf(x: float) -> float:
    return 0.5 * (1 + math.erf(x / math.sqrt(2)))


@cache
def _optimal_scale(grid: Grid) -> float:
    # The error is unimodal in the scale; golden-section search needs no derivative and is exact to 1e-10 here.
    ratio = (math.sqrt(5) - 1) / 2
    low, high = 1e-4, 4.0
    while high - low > 1e-10:
        a, b = high - ratio * (high - low), low + ratio * (high - low)
        if grid.gaussian(a).mse < grid.gaussian(b).mse:
            high = b
        else:
            low = a
    return (low + high) / 2


def _symmetric(name: str, highest: int) -> Grid:
    return Grid(name, tuple(range(-highest, highest + 1)))


BINARY = Grid("binary", (-1, 1))
TERNARY = _symmetric("ternary", 1)
QUATERNARY = Grid("quaternary", (-3, -1, 1, 3))
PENTANARY = _symmetric("pentanary", 2)
SEPTENARY = _symmetric("septenary", 3)
NONARY = _symmetric("nonary", 4)


def k_bit(bits: int) -> Grid:
    """Two's complement integers of `bits` bits, 2 to 8: -2^(bits-1) .. 2^(bits-1)-1."""
    assert 2 <= bits <= 8
    return Grid(f"int{bits}", tuple(range(-(1 << (bits - 1)), 1 << (bits - 1))))


GRIDS = {g.name: g for g in (BINARY, TERNARY, QUATERNARY, PENTANARY, SEPTENARY, NONARY, *map(k_bit, range(2, 9)))}


def grid(name: str) -> Grid:
    """Look a grid up by name.

    Raises:
        UnknownNameError: no such grid; names the nearest one.
    """
    if name not in GRIDS:
        raise UnknownNameError("grid", name, GRIDS)
    return GRIDS[name]

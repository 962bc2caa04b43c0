"""Grids against closed forms, published constants and a numeric integral."""

from __future__ import annotations

import math

import numpy as np
import pytest

from pentanet.errors import UnknownNameError
from pentanet.grid import BINARY, GRIDS, PENTANARY, QUATERNARY, SEPTENARY, TERNARY, Grid, grid, k_bit

ABSMEAN = math.sqrt(2 / math.pi)  # mean |w| of a unit Gaussian
OCTONARY = Grid("octonary", (-7, -5, -3, -1, 1, 3, 5, 7))

# Scale, then squared error, entropy, error after the best rescale, occupancy of the levels from the lowest up to the
# middle.  A scale is the weight of level 1, so it is half the step on the grids without zero.
CONSTANTS = {
    "binary absmean": (BINARY, ABSMEAN, 0.3634, 1.000, 0.3634, (0.5,)),
    "ternary absmean": (TERNARY, ABSMEAN, 0.2634, 1.583, 0.2131, (0.345, 0.310)),
    "ternary 4/3 absmean": (TERNARY, 4 / 3 * ABSMEAN, 0.1995, 1.569, 0.1934, (0.297, 0.405)),
    "ternary optimal": (TERNARY, 1.2240, 0.1902, 1.536, 0.1902, (0.270, 0.460)),
    "quaternary optimal": (QUATERNARY, 0.9957 / 2, 0.1189, 1.904, 0.1189, (0.160, 0.340)),
    "pentanary absmean": (PENTANARY, ABSMEAN, 0.0832, 2.218, 0.0828, (0.116, 0.229, 0.310)),
    "pentanary optimal": (PENTANARY, 0.8430, 0.0822, 2.183, 0.0822, (0.103, 0.234, 0.327)),
}


@pytest.mark.parametrize("name", CONSTANTS)
def test_gaussian_constants(name: str) -> None:
    levels, scale, mse, entropy, residual, occupancy = CONSTANTS[name]
    fit = levels.gaussian(scale)
    assert fit.mse == pytest.approx(mse, abs=1e-3)
    assert fit.entropy == pytest.approx(entropy, abs=1e-3)
    assert fit.residual == pytest.approx(residual, abs=1e-3)
    assert fit.occupancy[: len(occupancy)] == pytest.approx(occupancy, abs=1e-3)
    assert fit.occupancy == pytest.approx(fit.occupancy[::-1])


def test_published_occupancy() -> None:
    """11.57 / 22.93 / 31.01 %: what the publication reports is what any Gaussian gives."""
    occupancy = PENTANARY.gaussian(ABSMEAN).occupancy
    assert [round(100 * share, 2) for share in occupancy] == [11.57, 22.93, 31.01, 22.93, 11.57]


@pytest.mark.parametrize(
    ("levels", "scale", "mse", "entropy"),
    [
        (BINARY, ABSMEAN, 0.3634, 1.0),
        (TERNARY, 1.2240, 0.1902, 1.536),
        (QUATERNARY, 0.9957 / 2, 0.1189, 1.904),
        (PENTANARY, 0.8430, 0.0822, 2.183),
        (SEPTENARY, 0.651, 0.0469, 2.60),
        (OCTONARY, 0.586 / 2, 0.0374, 2.76),
    ],
    ids=lambda value: value.name if isinstance(value, Grid) else None,
)
def test_optimal_scale(levels: Grid, scale: float, mse: float, entropy: float) -> None:
    found = levels.optimal_scale()
    assert found == pytest.approx(scale, abs=1e-3)
    fit = levels.gaussian(found)
    assert fit.mse == pytest.approx(mse, abs=1e-3)
    assert fit.entropy == pytest.approx(entropy, abs=5e-3 if entropy in (2.60, 2.76) else 1e-3)  # given to 2 decimals


@pytest.mark.parametrize("levels", GRIDS.values(), ids=GRIDS)
def test_optimum_is_a_minimum(levels: Grid) -> None:
    scale = levels.optimal_scale()
    best = levels.gaussian(scale)
    assert best.mse < levels.gaussian(scale * 1.001).mse
    assert best.mse < levels.gaussian(scale * 0.999).mse
    # At the optimum no rescale helps, and so the quantized weight has lost exactly the error's share of the variance.
    assert best.residual == pytest.approx(best.mse, abs=1e-8)
    assert best.variance == pytest.approx(1 - best.mse, abs=1e-6)


@pytest.mark.parametrize("scale", [0.3, 0.843, 1.7])
@pytest.mark.parametrize("levels", GRIDS.values(), ids=GRIDS)
def test_against_integration(levels: Grid, scale: float) -> None:
    x = np.linspace(-9, 9, 360_001)
    weight = np.exp(-x * x / 2) / math.sqrt(2 * math.pi) * (x[1] - x[0])
    points = scale * np.array(levels.levels)
    nearest = np.searchsorted((points[1:] + points[:-1]) / 2, x)
    fit = levels.gaussian(scale)
    assert fit.mse == pytest.approx(float(weight @ (x - points[nearest]) ** 2), abs=1e-4)
    assert fit.occupancy == pytest.approx(np.bincount(nearest, weight, levels.size), abs=1e-4)
    assert fit.variance == pytest.approx(float(weight @ points[nearest] ** 2), rel=1e-3, abs=1e-4)


def test_five_levels_beat_three_by_the_ratio_of_the_table() -> None:
    three, five = (levels.gaussian(levels.optimal_scale()).mse for levels in (TERNARY, PENTANARY))
    assert three / five == pytest.approx(0.1902 / 0.0822, rel=2e-3)


def test_bits() -> None:
    assert PENTANARY.bits == pytest.approx(2.321928)
    assert TERNARY.bits == pytest.approx(1.584963)
    assert [k_bit(bits).bits for bits in range(2, 9)] == list(range(2, 9))


def test_levels() -> None:
    assert PENTANARY.levels == (-2, -1, 0, 1, 2)
    assert BINARY.levels == (-1, 1)
    assert not BINARY.has_zero
    assert QUATERNARY.spacing == 2
    assert (k_bit(8).lowest, k_bit(8).highest) == (-128, 127)
    assert all(GRIDS[name].name == name for name in GRIDS)
    with pytest.raises(AssertionError, match="evenly"):
        Grid("gap", (-1, 0, 2))


def test_unknown_grid() -> None:
    assert grid("pentanary") is PENTANARY
    with pytest.raises(UnknownNameError, match="Did you mean 'pentanary'"):
        grid("pentanery")

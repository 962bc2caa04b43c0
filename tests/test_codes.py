"""Levels and scales, against loops that say the same slowly."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from pentanet.codes import Codes
from pentanet.grid import BINARY, GRIDS, PENTANARY

ROWS, COLS = 3, 12


def draw(seed: int, scales: tuple[int, int], grid_name: str) -> Codes:
    generator = np.random.default_rng(seed)
    levels = generator.choice(np.array(GRIDS[grid_name].levels, np.int8), (ROWS, COLS))
    return Codes(levels, generator.uniform(0.01, 2, scales).astype(np.float32), GRIDS[grid_name])


@given(
    seed=st.integers(0, 999),
    scales=st.sampled_from([(1, 1), (ROWS, 1), (ROWS, 2), (ROWS, 3), (ROWS, COLS)]),
    grid_name=st.sampled_from(sorted(GRIDS)),
)
def test_dequantize(seed: int, scales: tuple[int, int], grid_name: str) -> None:
    codes = draw(seed, scales, grid_name)
    weights = codes.dequantize()
    assert weights.dtype == np.float32
    per_group = COLS // scales[1]
    for row in range(ROWS):
        for col in range(COLS):
            scale = codes.scales[row if scales[0] > 1 else 0, col // per_group]
            assert weights[row, col] == np.float32(codes.levels[row, col]) * scale


@pytest.mark.parametrize("grid_name", GRIDS)
def test_occupancy(grid_name: str) -> None:
    codes = draw(7, (ROWS, 1), grid_name)
    occupancy = codes.occupancy()
    assert occupancy == {level: int((codes.levels == level).sum()) for level in GRIDS[grid_name].levels}
    assert sum(occupancy.values()) == ROWS * COLS


def test_empty_levels_are_counted() -> None:
    codes = Codes(np.ones((2, 2), np.int8), np.ones((1, 1), np.float32), BINARY)
    assert codes.occupancy() == {-1: 0, 1: 4}
    assert codes.shape == (2, 2)


@pytest.mark.parametrize("scales", [(2, 1), (1, 2), (ROWS, 5), (ROWS, COLS + 1)])
def test_scales_that_fit_no_granularity(scales: tuple[int, int]) -> None:
    with pytest.raises(AssertionError):
        Codes(np.zeros((ROWS, COLS), np.int8), np.ones(scales, np.float32), PENTANARY)

"""The two orders of rows undo each other, and the one to llama.cpp is that of its converter."""

from __future__ import annotations

import numpy as np
import pytest

from pentanet.codes import Codes
from pentanet.gguf.row_order import gguf_order, hub_order, permute
from pentanet.grid import TERNARY


@pytest.mark.parametrize(("rows", "heads"), [(8, 1), (24, 3), (24, 6), (2, 1)])
def test_there_and_back(rows: int, heads: int) -> None:
    there, back = gguf_order(rows, heads), hub_order(rows, heads)
    assert (there[back] == np.arange(rows)).all()
    assert (back[there] == np.arange(rows)).all()


def test_halves_of_a_head_become_neighbours() -> None:
    assert gguf_order(8, 2).tolist() == [0, 2, 1, 3, 4, 6, 5, 7]


@pytest.mark.parametrize("scales", [1, 8])
def test_a_row_takes_its_scale_and_its_bias_along(scales: int) -> None:
    levels = np.arange(8, dtype=np.int8)[:, None] % 3 - np.int8(1)
    steps = np.arange(1, scales + 1, dtype=np.float32)[:, None]
    codes = Codes(levels, steps, TERNARY, np.arange(8, dtype=np.float32))
    order = gguf_order(8, 2)
    moved = permute(codes, order)
    np.testing.assert_array_equal(moved.dequantize(), codes.dequantize()[order])
    assert moved.bias is not None
    np.testing.assert_array_equal(moved.bias, order)

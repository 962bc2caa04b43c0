"""Which weights share a scale."""

from __future__ import annotations

import pytest
import torch

from pentanet.errors import ConfigError
from pentanet.quant.granularity import ROW, TENSOR, Granularity, group, group_near

WEIGHT = torch.arange(12.0).reshape(2, 6)


@pytest.mark.parametrize(
    ("shared", "sums"),
    [(TENSOR, [[66.0]]), (ROW, [[15.0], [51.0]]), (group(2), [[1.0, 5.0, 9.0], [13.0, 17.0, 21.0]])],
    ids=lambda value: getattr(value, "name", ""),
)
def test_blocks(shared: Granularity, sums: list[list[float]]) -> None:
    blocks = shared.blocks(WEIGHT)
    assert blocks.sum(-1).tolist() == sums
    assert blocks.shape[:2] == shared.scale_shape(2, 6)
    assert torch.equal(blocks.reshape(2, 6), WEIGHT)


def test_a_group_that_does_not_divide_names_both() -> None:
    with pytest.raises(ConfigError, match="group of 4 inputs does not divide a weight of 2 x 6; choose a divisor of 6"):
        group(4).blocks(WEIGHT)


@pytest.mark.parametrize(("cols", "length"), [(128, 128), (384, 128), (96, 96), (7, 7), (352, 88), (132, 44), (131, 0)])
def test_a_group_near_a_size(cols: int, length: int) -> None:
    near = group_near(128, 1 if cols in (7, 131) else 4)
    if not length:  # a prime: nothing but a scale per weight would divide it
        with pytest.raises(ConfigError, match="group of 128 inputs does not divide a weight of 2 x 131"):
            near.blocks(torch.zeros(2, cols))
        return
    assert near.blocks(torch.zeros(2, cols)).shape == (2, cols // length, length)
    assert near.scale_shape(2, cols) == (2, cols // length)


@pytest.mark.parametrize("inputs", [0, -3])
def test_a_group_has_at_least_one_input(inputs: int) -> None:
    with pytest.raises(ConfigError, match=f"group size {inputs}"):
        group(inputs)

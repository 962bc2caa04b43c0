"""Annealed rounding: nearly the weight at the start, the nearest level at the end."""

from __future__ import annotations

import pytest
import torch

from pentanet.grid import BINARY, PENTANARY, QUATERNARY, TERNARY, Grid
from pentanet.quant import ROW
from pentanet.quant.methods.hestia import AnnealedQuantizer, pressure, soften, temperature
from pentanet.quant.scales import rms_optimal
from pentanet.quant.uniform import UniformQuantizer


def softmax_mean(u: torch.Tensor, grid: Grid, heat: float) -> torch.Tensor:
    levels = torch.tensor(grid.levels, dtype=u.dtype)
    distance = (u.clamp(grid.lowest, grid.highest)[..., None] - levels) / grid.spacing
    return (torch.softmax(-distance.square() / heat, -1) * levels).sum(-1)


@pytest.mark.parametrize("grid", [BINARY, TERNARY, QUATERNARY, PENTANARY], ids=lambda g: g.name)
@pytest.mark.parametrize("heat", [1.0, 0.2, 0.02])
def test_value_and_gradient_are_those_of_the_softmax(grid: Grid, heat: float) -> None:
    generator = torch.Generator().manual_seed(0)
    blocks = (torch.rand(2, 1, 300, generator=generator) * 2 - 1).mul_(grid.highest).double().requires_grad_()
    upstream = torch.randn(2, 1, 300, generator=generator).double()
    scales = torch.full((2, 1, 1), 0.7, dtype=torch.float64)
    for share in (0.25, 1.0):
        used = soften(blocks * 0.7, scales, grid, heat, share)
        expected = (1 - share) * blocks * 0.7 + share * 0.7 * softmax_mean(blocks, grid, heat)
        torch.testing.assert_close(used, expected)
        (found,) = torch.autograd.grad(used, blocks, upstream)
        (wanted,) = torch.autograd.grad(expected, blocks, upstream)
        torch.testing.assert_close(found, wanted, rtol=1e-5, atol=1e-7)


def test_schedule() -> None:
    assert [pressure(p) for p in (0.0, 0.1, 0.2, 1.0)] == [0.0, 0.5, 1.0, 1.0]
    assert [temperature(p) for p in (0.0, 0.2, 0.55, 0.9, 1.0)] == pytest.approx([1.0, 1.0, 0.5, 0.0, 0.0])


def test_from_the_weight_to_the_nearest_level() -> None:
    weight = torch.randn(4, 500, generator=torch.Generator().manual_seed(0))
    made = AnnealedQuantizer(PENTANARY, ROW, rms_optimal(PENTANARY))
    hard = UniformQuantizer(PENTANARY, ROW, rms_optimal(PENTANARY)).fake(weight, 0.0)
    assert torch.equal(made.fake(weight, 0.0), weight)
    distance = [float((made.fake(weight, p) - hard).norm()) for p in (0.0, 0.2, 0.4, 0.6, 0.8, 0.9, 1.0)]
    assert distance == sorted(distance, reverse=True)
    assert distance[-2:] == [0.0, 0.0]
    assert torch.equal(made.eval().fake(weight, 0.3), hard)

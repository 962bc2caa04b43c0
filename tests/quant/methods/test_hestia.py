"""Annealed rounding: nearly the weight at the start, the nearest level at the end."""

from __future__ import annotations

import pytest
import torch

from pentanet.grid import BINARY, GAUSSIAN_ABSMEAN, PENTANARY, QUATERNARY, TERNARY, Grid
from pentanet.quant import ROW
from pentanet.quant.methods.hestia import AnnealedQuantizer, first_temperature, pressure, soften, temperature
from pentanet.quant.scales import rms_optimal
from pentanet.quant.uniform import UniformQuantizer


def softmax_mean(u: torch.Tensor, grid: Grid, heat: float) -> torch.Tensor:
    levels = torch.tensor(grid.levels, dtype=u.dtype)
    distance = (u[..., None] - levels) / grid.spacing
    return (torch.softmax(-distance.square() / heat, -1) * levels).sum(-1)


@pytest.mark.parametrize("grid", [BINARY, TERNARY, QUATERNARY, PENTANARY], ids=lambda g: g.name)
@pytest.mark.parametrize("heat", [1.0, 0.2, 0.02])
def test_value_and_gradient_are_those_of_the_softmax(grid: Grid, heat: float) -> None:
    generator = torch.Generator().manual_seed(0)
    # Half of them beyond the last level: the original softens these from where they are.
    blocks = (torch.rand(2, 1, 300, generator=generator) * 4 - 2).mul_(grid.highest).double().requires_grad_()
    upstream = torch.randn(2, 1, 300, generator=generator).double()
    scales = torch.tensor([[[0.7]], [[1.3]]], dtype=torch.float64, requires_grad=True)
    for share in (0.25, 1.0):
        used = soften(blocks, scales, grid, heat, share)
        expected = (1 - share) * blocks + share * scales * softmax_mean(blocks / scales, grid, heat)
        torch.testing.assert_close(used, expected)
        found = torch.autograd.grad(used, (blocks, scales), upstream)
        wanted = torch.autograd.grad(expected, (blocks, scales), upstream)
        torch.testing.assert_close(found, wanted, rtol=1e-5, atol=1e-6)


@pytest.mark.parametrize("far", [1e3, 1e15, 1e30])
def test_weights_far_beyond_the_levels_stay_finite(far: float) -> None:
    blocks = torch.tensor([[[far, -far, 0.0, 0.4]]]).requires_grad_()
    used = soften(blocks, torch.ones(1, 1, 1), PENTANARY, 0.011, 1.0)
    used.sum().backward()
    assert used.detach().flatten().tolist() == pytest.approx([2, -2, 0, 0], abs=1e-6)
    assert blocks.grad is not None
    assert blocks.grad.isfinite().all()
    assert blocks.grad.flatten().tolist()[:2] == [0, 0]


def test_the_scale_learns_through_the_weights() -> None:
    """As in the original, the scale is a function of the weights while the rounding is soft."""
    weight = torch.randn(3, 40, generator=torch.Generator().manual_seed(0)).requires_grad_()
    upstream = torch.randn(3, 40, generator=torch.Generator().manual_seed(1))
    made = AnnealedQuantizer(TERNARY, ROW, rms_optimal(TERNARY))
    (found,) = torch.autograd.grad(made.fake(weight, 0.5), weight, upstream)
    scales = TERNARY.optimal_scale() * weight.square().mean(-1, keepdim=True).sqrt()
    heat = temperature(0.5, first_temperature(TERNARY, TERNARY.optimal_scale()))
    expected = scales * softmax_mean(weight / scales, TERNARY, heat)
    (wanted,) = torch.autograd.grad(expected, weight, upstream)
    torch.testing.assert_close(found, wanted, rtol=1e-4, atol=1e-6)


def test_a_row_of_zeros_has_a_finite_gradient() -> None:
    weight = torch.zeros(2, 8, requires_grad=True)
    AnnealedQuantizer(PENTANARY, ROW, rms_optimal(PENTANARY)).fake(weight, 0.3).sum().backward()
    assert weight.grad is not None
    assert weight.grad.isfinite().all()


def test_the_first_temperature_is_that_of_the_original() -> None:
    """0.351: what its OptimalTempInitializer finds for three levels at mean|w|."""
    assert first_temperature(TERNARY, GAUSSIAN_ABSMEAN) == pytest.approx(0.35089, abs=1e-4)


@pytest.mark.parametrize("grid", [BINARY, TERNARY, QUATERNARY, PENTANARY], ids=lambda g: g.name)
def test_no_other_first_temperature_has_less_error(grid: Grid) -> None:
    n, scale = 1 << 14, grid.optimal_scale()
    u = torch.special.ndtri((torch.arange(n, dtype=torch.float64) + 0.5) / n) / scale
    best = first_temperature(grid, scale)
    errors = [float((softmax_mean(u, grid, heat) - u).square().mean()) for heat in (0.9 * best, best, 1.1 * best)]
    assert min(errors) == errors[1]


def test_schedule() -> None:
    assert [pressure(p) for p in (0.0, 0.1, 0.2, 1.0)] == [0.0, 0.5, 1.0, 1.0]
    assert [temperature(p, 0.4) for p in (0.0, 0.2, 0.55, 0.9, 1.0)] == pytest.approx([0.4, 0.4, 0.2, 0.0, 0.0])


def test_from_the_weight_to_the_nearest_level() -> None:
    weight = torch.randn(4, 500, generator=torch.Generator().manual_seed(0))
    made = AnnealedQuantizer(PENTANARY, ROW, rms_optimal(PENTANARY))
    hard = UniformQuantizer(PENTANARY, ROW, rms_optimal(PENTANARY)).fake(weight, 0.0)
    assert torch.equal(made.fake(weight, 0.0), weight)
    distance = [float((made.fake(weight, p) - hard).norm()) for p in (0.0, 0.2, 0.4, 0.6, 0.8, 0.9, 1.0)]
    assert distance == sorted(distance, reverse=True)
    assert distance[-2:] == [0.0, 0.0]
    assert torch.equal(made.eval().fake(weight, 0.3), hard)

"""Steps that are trained: their gradient by hand and by finite differences, and where training takes them."""

from __future__ import annotations

import math

import pytest
import torch
from torch import Tensor

from pentanet.grid import BINARY, GRIDS, PENTANARY, QUATERNARY, TERNARY, Grid
from pentanet.quant.gradients import nearest_level
from pentanet.quant.granularity import ROW, TENSOR, group
from pentanet.quant.learned_step import LearnedStepQuantizer, learned_step
from pentanet.quant.scales import rms_optimal


def blocks(*values: float) -> Tensor:
    """One block that shares one step."""
    return torch.tensor([[values]]).requires_grad_()


def test_learned_step_by_hand() -> None:
    # LSQ (1902.08153) eq. 3: round(u) - u inside, the clipped level outside; balanced by 1 / sqrt(n * highest level).
    weight, step = blocks(0.6, -1.2, 9.0, -9.0), torch.tensor([[[2.0]]], requires_grad=True)
    used = learned_step(weight, step, PENTANARY)
    assert used.flatten().tolist() == [0, -2, 4, -4]
    used.backward(torch.tensor([[[1.0, 10.0, 100.0, 1000.0]]]))
    assert weight.grad is not None
    assert step.grad is not None
    assert weight.grad.flatten().tolist() == [1, 10, 0, 0]
    by_hand = 1 * (0 - 0.3) + 10 * (-1 + 0.6) + 100 * 2 + 1000 * -2
    assert step.grad.item() == pytest.approx(by_hand / math.sqrt(4 * 2), rel=1e-6)


@pytest.mark.parametrize("grid", [TERNARY, PENTANARY, GRIDS["int4"]], ids=lambda g: g.name)
def test_learned_step_by_finite_differences(grid: Grid) -> None:
    """With the rounding error frozen at its value, s * (clip(w/s) + error) has the derivative that LSQ defines."""
    generator = torch.Generator().manual_seed(3)
    weight = torch.randn(2, 3, 50, generator=generator)
    upstream = torch.randn(2, 3, 50, generator=generator)
    step = (torch.rand(2, 3, 1, generator=generator) * 0.5 + 0.4).requires_grad_()
    learned_step(weight, step, grid).backward(upstream)
    start = step.detach().double()
    error = nearest_level(weight.double() / start, grid) - (weight.double() / start).clamp(grid.lowest, grid.highest)

    def surrogate(s: Tensor) -> Tensor:
        used = s * ((weight.double() / s).clamp(grid.lowest, grid.highest) + error)
        return (used * upstream.double()).sum(-1, keepdim=True)

    slope = (surrogate(start + 1e-6) - surrogate(start - 1e-6)) / 2e-6
    assert step.grad is not None
    torch.testing.assert_close(step.grad.double(), slope / math.sqrt(50 * grid.highest), rtol=1e-4, atol=1e-4)


def test_learned_steps_of_each_granularity_train() -> None:
    for shared in (TENSOR, ROW, group(4)):
        made = LearnedStepQuantizer(PENTANARY, shared)
        weight = torch.randn(3, 8, generator=torch.Generator().manual_seed(0)).requires_grad_()
        made.initialize(weight)
        assert made.log_step.shape == (*shared.scale_shape(3, 8), 1)
        torch.testing.assert_close(made.scales(weight), rms_optimal(PENTANARY)(shared.blocks(weight)))
        start = made.scales(weight).detach()
        optimizer = torch.optim.SGD(made.parameters(), lr=0.1)
        made.fake(weight, 0.0).square().sum().backward()
        optimizer.step()
        assert (made.scales(weight) < start).all()  # a smaller step makes smaller weights


def test_a_learned_step_finds_back_from_anywhere() -> None:
    """A large rate drives it far below its best value, or above; it must not stay there for want of a gradient."""
    weight = torch.randn(4, 256, generator=torch.Generator().manual_seed(0))
    for start in (1e-6, 1e-3, 1e3):
        made = LearnedStepQuantizer(PENTANARY)
        made.initialize(weight * start)
        optimizer = torch.optim.Adam(made.parameters(), lr=0.05)
        for _ in range(600):
            loss = (made.fake(weight, 0.0) - weight).square().mean()
            optimizer.zero_grad()
            loss.backward()
            optimizer.step()
        assert loss.item() < 0.1  # the best is 0.082


def test_the_step_of_signs_is_their_size_everywhere() -> None:
    """Two levels have no rounding error that a step could move: 2306.01841 scales the sign, also of clipped inputs."""
    weight, step = blocks(0.5, -0.5, 9.0, -9.0), torch.tensor([[[2.0]]], requires_grad=True)
    learned_step(weight, step, BINARY).backward(torch.tensor([[[1.0, 10.0, 100.0, 1000.0]]]))
    assert step.grad is not None
    assert weight.grad is not None
    assert weight.grad.flatten().tolist() == [1, 10, 0, 0]
    assert step.grad.item() == pytest.approx((1 - 10 + 100 - 1000) / math.sqrt(4), rel=1e-6)


@pytest.mark.parametrize("grid", [TERNARY, PENTANARY, QUATERNARY], ids=lambda g: g.name)
def test_the_stretched_range_ends_where_clipping_begins(grid: Grid) -> None:
    edge = 0.99 * (grid.highest + grid.spacing / 2)
    weight = blocks(-edge - 0.001, -edge + 0.001, 0.3, edge - 0.001, edge + 0.001)
    learned_step(weight, torch.ones(1, 1, 1), grid, "stretched").sum().backward()
    assert weight.grad is not None
    assert weight.grad.flatten().tolist() == [0, 1, 1, 1, 0]

"""Rounding and its gradients on cases small enough to work out by hand."""

from __future__ import annotations

import pytest
import torch
from torch import Tensor

from pentanet.grid import BINARY, GRIDS, PENTANARY, QUATERNARY, TERNARY, Grid
from pentanet.quant.gradients import GradientRule, nearest_level, straight_through


def blocks(*values: float) -> Tensor:
    """One block that shares one scale."""
    return torch.tensor([[values]]).requires_grad_()


@pytest.mark.parametrize(
    ("grid", "u", "levels"),
    [
        (TERNARY, [-9.0, -0.51, -0.5, 0.0, 0.5, 0.51, 1.5, 9.0], [-1, -1, 0, 0, 0, 1, 1, 1]),
        (PENTANARY, [-2.5, -1.5, -0.5, 0.5, 1.49, 1.5, 2.5, 7.0], [-2, -2, 0, 0, 1, 2, 2, 2]),
        (BINARY, [-5.0, -0.01, -0.0, 0.0, 0.01, 5.0], [-1, -1, 1, 1, 1, 1]),
        (QUATERNARY, [-9.0, -2.01, -1.99, -0.1, 0.0, 1.99, 2.0, 9.0], [-3, -3, -1, -1, 1, 1, 3, 3]),
        (GRIDS["int2"], [-9.0, -1.6, 0.4, 1.4, 9.0], [-2, -2, 0, 1, 1]),
    ],
)
def test_nearest_level(grid: Grid, u: list[float], levels: list[int]) -> None:
    assert nearest_level(torch.tensor(u), grid).tolist() == levels


@pytest.mark.parametrize("name", GRIDS)
def test_nearest_level_is_nearest(name: str) -> None:
    grid = GRIDS[name]
    u = torch.linspace(grid.lowest - 2, grid.highest + 2, 997)
    distance = (u[:, None] - torch.tensor(grid.levels, dtype=torch.float32)).abs().amin(1)
    chosen = nearest_level(u.clone(), grid)
    assert set(chosen.tolist()) <= set(grid.levels)
    torch.testing.assert_close((u - chosen).abs(), distance, rtol=0, atol=0)


# Scale 2 on {-2..2}: levels at -4 -2 0 2 4. The weights lie beyond the range, on its edge, at 2.6 steps (clipped by
# more than half a step) and 2.4 (by less), and inside.
WEIGHTS = (-9.0, -4.0, 5.2, 4.8, 0.9, 0.0)


@pytest.mark.parametrize(
    ("rule", "passed"),
    [("identity", [1, 1, 1, 1, 1, 1]), ("clipped", [0, 1, 0, 0, 1, 1]), ("trust", [0, 1, 0, 1, 1, 1])],
)
def test_gradient_rules(rule: GradientRule, passed: list[float]) -> None:
    weight, scales = blocks(*WEIGHTS), torch.tensor([[[2.0]]])
    used = straight_through(weight, scales, PENTANARY, rule)
    assert used.flatten().tolist() == [-4, -4, 4, 4, 0, 0]
    used.backward(torch.tensor([[[1.0, 2.0, 3.0, 4.0, 5.0, 6.0]]]))
    assert weight.grad is not None
    assert weight.grad.flatten().tolist() == [p * g for p, g in zip(passed, (1, 2, 3, 4, 5, 6), strict=True)]


def test_trust_is_half_a_step_where_levels_are_two_apart() -> None:
    # Binary with scale 1: steps are 2 wide, so that a weight may move by 1.
    weight = blocks(-2.1, -1.9, -0.1, 0.1, 1.9, 2.1)
    straight_through(weight, torch.ones(1, 1, 1), BINARY, "trust").sum().backward()
    assert weight.grad is not None
    assert weight.grad.flatten().tolist() == [0, 1, 1, 1, 1, 0]


def test_scales_get_no_gradient_from_a_statistic() -> None:
    scales = torch.ones(1, 1, 1, requires_grad=True)
    straight_through(blocks(0.3, 0.9), scales, TERNARY, "identity").sum().backward()
    assert scales.grad is None

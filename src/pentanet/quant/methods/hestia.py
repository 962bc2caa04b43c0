"""Hestia (2601.20745): rounding that starts soft and becomes hard, for any grid.

In place of the nearest level a weight takes the mean of all levels c, weighted by softmax(-(w/s - c)^2 / T).  The
pressure p moves the forward pass from the latent weight to that mean in the first fifth of the training, then the
temperature T falls to 0 by a cosine, and what is left trains with the straight-through gradient.

Hestia also scales the temperature of each matrix by the trace of its Hessian, which needs a trained network and is left
out; its own ablation gives most of the gain to the annealing.
"""

from __future__ import annotations

import math
from typing import Any

import torch
from torch import Tensor

from pentanet.grid import PENTANARY, TERNARY, Grid
from pentanet.quant.granularity import ROW
from pentanet.quant.method import Method
from pentanet.quant.scales import rms_optimal
from pentanet.quant.uniform import UniformQuantizer

PRESSURE_FULL, HARD = 0.2, 0.9  # shares of the training
START = 1.0  # temperature in squared distances of neighbouring levels: the mean is then nearly the weight itself
COLDEST = 0.01  # below it the softmax is the nearest level to float precision


class AnnealedQuantizer(UniformQuantizer):
    """Soft rounding while training up to 90 % of it; the rounding of `UniformQuantizer` from there on and otherwise."""

    def fake(self, weight: Tensor, progress: float) -> Tensor:
        heat = temperature(progress)
        if not self.training or heat < COLDEST:
            return super().fake(weight, progress)
        blocks = self.granularity.blocks(weight)
        with torch.no_grad():
            scales = self.scales(weight)
        return soften(blocks, scales, self.grid, heat, pressure(progress)).view_as(weight)


def pressure(progress: float) -> float:
    """Share of the rounded weight in the forward pass."""
    return min(1.0, progress / PRESSURE_FULL)


def temperature(progress: float) -> float:
    """T, in squared distances of neighbouring levels."""
    if progress >= HARD:
        return 0.0
    done = max(0.0, (progress - PRESSURE_FULL) / (HARD - PRESSURE_FULL))
    return START * 0.5 * (1 + math.cos(math.pi * done))


def soften(blocks: Tensor, scales: Tensor, grid: Grid, heat: float, share: float) -> Tensor:
    """(1 - share) * w + share * scale * (softmax mean of the levels), for blocks [a, b, n] and scales [a, b, 1].

    Weights beyond the last level are softened as if they stood on it.
    """
    return _Soften.apply(blocks, scales, grid, heat, share)  # pyright: ignore[reportReturnType]


class _Soften(torch.autograd.Function):
    @staticmethod
    def forward(ctx: Any, blocks: Tensor, scales: Tensor, grid: Grid, heat: float, share: float) -> Tensor:
        u = (blocks / scales).clamp_(grid.lowest, grid.highest)
        width = heat * grid.spacing**2
        total, first, second = torch.zeros_like(u), torch.zeros_like(u), torch.zeros_like(u)
        for level in grid.levels:
            odds = (u - level).square_().mul_(-1 / width).exp_()
            total += odds
            if level:
                first.add_(odds, alpha=level)
                second.add_(odds, alpha=level**2)
        mean = first.div_(total)
        # The derivative of a softmax mean is the variance of the levels under the softmax, times 2 / T.
        variance = second.div_(total).addcmul_(mean, mean, value=-1)
        ctx.save_for_backward(variance.mul_(2 * share / width).add_(1 - share))
        return blocks.lerp(mean.mul_(scales), share)

    @staticmethod
    def backward(ctx: Any, *grads: Tensor) -> tuple[Tensor, None, None, None, None]:
        return grads[0] * ctx.saved_tensors[0], None, None, None, None


METHODS = tuple(
    Method(
        name=f"hestia-{grid.name}",
        title=f"{grid.name}, row scale at the optimum, annealed rounding (Hestia)",
        grid=grid,
        granularity=ROW,
        scale=rms_optimal(grid),
        build=AnnealedQuantizer.of,
    )
    for grid in (TERNARY, PENTANARY)
)

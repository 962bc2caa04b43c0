"""Hestia (2601.20745): rounding that starts soft and becomes hard, for any grid.

In place of the nearest level a weight takes the mean of all levels c, weighted by softmax(-(w/s - c)^2 / T).  The
pressure p moves the forward pass from the latent weight to that mean in the first fifth of the training, then the
temperature T falls to 0 by a cosine, and what is left trains with the straight-through gradient.

T starts where the soft rounding of Gaussian weights has the least squared error.  The gradient goes through the softmax
and through the scale, which is a function of the weights, and weights beyond the last level are softened from where
they are.  Source: src/hestia of hestia2026/Hestia, thermo_quantizer.py and opt_temp_initializer.py.

Not as there: the scale is the row's optimum, not mean|w| of a group; T is 0 in the last tenth of the training, where
Hestia's cosine ends with it, so that the weights that are stored are trained; and T is not scaled by the trace of each
matrix's Hessian, which needs a trained network (its own ablation gives most of the gain to the annealing).
"""

from __future__ import annotations

import math
from functools import cache
from typing import Any

import numpy as np
import torch
from torch import Tensor

from pentanet.grid import PENTANARY, TERNARY, Grid
from pentanet.quant.gradients import nearest_level
from pentanet.quant.granularity import ROW
from pentanet.quant.method import Method
from pentanet.quant.scales import rms_optimal
from pentanet.quant.uniform import UniformQuantizer

PRESSURE_FULL, HARD = 0.2, 0.9  # shares of the training
COLDEST = 0.01  # below it the softmax is the nearest level to float precision
WARMEST = 2.0  # where the search for the first temperature ends


class AnnealedQuantizer(UniformQuantizer):
    """Soft rounding while training up to 90 % of it; the rounding of `UniformQuantizer` from there on and otherwise."""

    def fake(self, weight: Tensor, progress: float) -> Tensor:
        heat = temperature(progress, self._start()) if self.training else 0.0
        if heat < COLDEST:
            return super().fake(weight, progress)
        blocks = self.granularity.blocks(weight)
        return soften(blocks, self.scales(weight), self.grid, heat, pressure(progress)).view_as(weight)

    def _start(self) -> float:
        scale = self.scale.gaussian
        return first_temperature(self.grid, self.grid.optimal_scale() if scale is None else scale)


def pressure(progress: float) -> float:
    """Share of the rounded weight in the forward pass."""
    return min(1.0, progress / PRESSURE_FULL)


def temperature(progress: float, start: float) -> float:
    """T, in squared distances of neighbouring levels; `start` is that of the first fifth of the training."""
    if progress >= HARD:
        return 0.0
    done = max(0.0, (progress - PRESSURE_FULL) / (HARD - PRESSURE_FULL))
    return start * 0.5 * (1 + math.cos(math.pi * done))


@cache
def first_temperature(grid: Grid, scale: float) -> float:
    """The T with the least squared error of soft rounding, for unit Gaussian weights and level 1 worth `scale`.

    0.351 for three levels at mean|w|, as `OptimalTempInitializer` of the original gives.
    """
    w = np.linspace(-8, 8, 4001)
    density = np.exp(-w * w / 2)
    levels, u = np.array(grid.levels, np.float64), w / scale

    def error(heat: float) -> float:
        distance = np.square(u[:, None] - levels) / (heat * grid.spacing**2)
        odds = np.exp(distance.min(1, keepdims=True) - distance)
        return float((np.square(odds @ levels / odds.sum(1) - u) * density).sum())

    # Golden-section search, as for the scales of grids: the error has one minimum here.
    ratio = (math.sqrt(5) - 1) / 2
    low, high = COLDEST, WARMEST
    while high - low > 1e-6:
        a, b = high - ratio * (high - low), low + ratio * (high - low)
        low, high = (low, b) if error(a) < error(b) else (a, high)
    return (low + high) / 2


def soften(blocks: Tensor, scales: Tensor, grid: Grid, heat: float, share: float) -> Tensor:
    """(1 - share) * w + share * scale * (softmax mean of the levels), for blocks [a, b, n] and scales [a, b, 1].

    With the gradient of both arguments.
    """
    return _Soften.apply(blocks, scales, grid, heat, share)  # pyright: ignore[reportReturnType]


class _Soften(torch.autograd.Function):
    @staticmethod
    def forward(ctx: Any, blocks: Tensor, scales: Tensor, grid: Grid, heat: float, share: float) -> Tensor:
        u = blocks / scales
        nearest = nearest_level(u.clone(), grid)
        width = heat * grid.spacing**2
        total, first, second = torch.zeros_like(u), torch.zeros_like(u), torch.zeros_like(u)
        for level in grid.levels:
            # (u - nearest)^2 - (u - level)^2, which is at most 0 and loses nothing far from all levels.
            odds = (2 * u).sub_(nearest).sub_(level).mul_(level - nearest).mul_(1 / width).exp_()
            total += odds
            if level:
                first.add_(odds, alpha=level)
                second.add_(odds, alpha=level**2)
        mean = first.div_(total)
        # The derivative of a softmax mean is the variance of the levels under the softmax, times 2 / T.
        slope = second.div_(total).addcmul_(mean, mean, value=-1).mul_(2 / width)
        # scale * mean(w / scale) has the derivative mean - u * slope for the scale.
        ctx.save_for_backward(slope * share + (1 - share), (mean - u * slope).mul_(share))
        return blocks.lerp(mean.mul_(scales), share)

    @staticmethod
    def backward(ctx: Any, *grads: Tensor) -> tuple[Tensor, Tensor, None, None, None]:
        (grad,) = grads
        of_weight, of_scale = ctx.saved_tensors
        return grad * of_weight, (grad * of_scale).sum(-1, keepdim=True), None, None, None


METHODS = tuple(
    Method(
        name=f"hestia-{grid.name}",
        title=f"{grid.name}, row scale at the optimum, annealed rounding (Hestia)",
        paper="2601.20745",
        grid=grid,
        granularity=ROW,
        scale=rms_optimal(grid),
        build=AnnealedQuantizer.of,
    )
    for grid in (TERNARY, PENTANARY)
)

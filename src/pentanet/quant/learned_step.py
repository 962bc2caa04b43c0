"""Scales that are trained: the gradient of a step, once for weights and for inputs (LSQ, 1902.08153).

What the optimizer moves is the logarithm of the step, as in TQT (1903.08066): then a rate means the same for a small
step as for a large one, and no step becomes negative, from where LSQ has no way back.
"""

from __future__ import annotations

from typing import Any

import torch
from torch import Tensor, nn

from pentanet.grid import Grid
from pentanet.quant.gradients import GradientRule, edges, round_blocks
from pentanet.quant.granularity import ROW, Granularity
from pentanet.quant.scales import EPSILON, LARGEST, ScaleRule, learned, rms_optimal
from pentanet.quant.uniform import UniformQuantizer


def step_of(log_step: Tensor) -> Tensor:
    """The steps, positive and finite, whose logarithms are trained."""
    return log_step.exp().clamp(min=EPSILON, max=LARGEST)


def balance(weights: int, highest: int) -> float:
    """1 / sqrt(n * highest level), for the gradient of what n weights share: LSQ, section 2.2."""
    return (weights * max(highest, 1)) ** -0.5


def learned_step(blocks: Tensor, steps: Tensor, grid: Grid, rule: GradientRule = "clipped") -> Tensor:
    """`step * level` for blocks [a, b, n] and steps [a, b, 1], in the type of `blocks`, with a gradient for both.

    Args:
        rule: "clipped" is Learned Step Size Quantization, whose step gradient is balanced by the n weights that share
            the step.  "stretched" is Stretched Elastic Quant of ParetoQ (2502.02631): the range reaches half a spacing
            further, and the balance is 1 / sqrt(numel) with all weights of the matrix.
    """
    share = blocks.numel() ** -0.5 if rule == "stretched" else balance(blocks.shape[-1], grid.highest)
    return _LearnedStep.apply(blocks, steps, grid, edges(grid, rule), share)  # pyright: ignore[reportReturnType]


class _LearnedStep(torch.autograd.Function):
    @staticmethod
    def forward(
        ctx: Any, blocks: Tensor, steps: Tensor, grid: Grid, edges: tuple[float, float], share: float
    ) -> Tensor:
        levels = round_blocks(blocks, steps, grid)
        ctx.save_for_backward(blocks, steps, levels)
        ctx.edges, ctx.share, ctx.signs = edges, share, grid.size == 2
        return (levels * steps).to(blocks.dtype)

    @staticmethod
    def backward(ctx: Any, *grads: Tensor) -> tuple[Tensor, Tensor, None, None, None]:
        (grad,) = grads
        blocks, steps, levels = ctx.saved_tensors
        low, high = ctx.edges
        u = blocks / steps
        inside = (u >= low) & (u <= high)
        # LSQ eq. 3: inside the range the step moves the rounding error, outside it moves the clipped level.  Signs have
        # no rounding error: the step is their size, everywhere.
        slope = levels if ctx.signs else torch.where(inside, levels - u, levels)
        return grad * inside, (grad.to(u.dtype) * slope).sum(-1, keepdim=True).mul_(ctx.share), None, None, None


class LearnedStepQuantizer(UniformQuantizer):
    """The rounding of `UniformQuantizer` with scales that are trained beside the weights.

    The steps start at the Gaussian optimum, not at LSQ's 2 mean|w| / sqrt(highest), nor at ParetoQ's largest weight of
    the row: from scratch these are too wide.
    """

    def __init__(
        self,
        grid: Grid,
        granularity: Granularity = ROW,
        scale: ScaleRule | None = None,
        gradient: GradientRule = "clipped",
    ) -> None:
        super().__init__(grid, granularity, scale or learned(rms_optimal(grid)), gradient)
        self.log_step = nn.Parameter(torch.empty(0))

    @torch.no_grad()
    def initialize(self, weight: Tensor) -> None:
        steps = self.scale(self.granularity.blocks(weight)).log_()
        if self.log_step.shape == steps.shape:
            self.log_step.copy_(steps)  # the optimizer knows this parameter
        else:
            self.log_step = nn.Parameter(steps)

    def scales(self, weight: Tensor) -> Tensor:
        del weight
        return step_of(self.log_step)

    def fake(self, weight: Tensor, progress: float) -> Tensor:
        del progress
        blocks = self.granularity.blocks(weight)
        return learned_step(blocks, self.scales(weight), self.grid, self.gradient).view_as(weight)

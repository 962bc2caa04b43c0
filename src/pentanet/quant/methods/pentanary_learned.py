"""Five levels 0, +-inner, +-outer times the rms of the row, whose two positions are learned for each matrix.  Ours.

They start at the levels with the least squared error for Gaussian weights (Lloyd 1982, Max 1960), and the gradient of
a position is that of the weights that stand on it, as in a look-up table (1-Bit Wonder 2602.15563).  No grid of the
format has such levels, so they are stored among the 15 symmetric ones of 4 bits: inner : outer is the nearest ratio of
two whole numbers up to 7, and what training multiplies by has that ratio.
"""

from __future__ import annotations

import math
from typing import Any

import numpy as np
import torch
from torch import Tensor, nn

from pentanet.codes import Codes
from pentanet.grid import k_bit
from pentanet.quant.base import Quantizer
from pentanet.quant.gradients import replace
from pentanet.quant.granularity import ROW
from pentanet.quant.learned_step import balance
from pentanet.quant.method import Method
from pentanet.quant.scales import EPSILON, rms

INNER, OUTER = 0.7646, 1.7242  # the optimum for N(0, 1)
GRID, ROW_RMS = k_bit(4), rms(1.0)
HIGHEST = 2  # of five levels, for the balance of the gradient
PAIRS = tuple((a, b) for b in range(2, 8) for a in range(1, b) if math.gcd(a, b) == 1)


class LearnedLevelsQuantizer(Quantizer):
    """Nearest of the five levels; `state` holds the logarithm of the outer one and the logit of inner / outer."""

    def __init__(self) -> None:
        super().__init__()
        ratio = INNER / OUTER
        self.state = nn.Parameter(torch.tensor([math.log(OUTER), math.log(ratio / (1 - ratio))]))

    def fake(self, weight: Tensor, progress: float) -> Tensor:
        del progress
        levels, scales, unit = self._round(weight)
        outer = self.state[0].exp()
        positions = torch.stack((outer * self.state[1].sigmoid(), outer))
        used = replace(weight, levels * scales)
        return _Positions.apply(used, positions, levels, unit, self.pair()[1])  # pyright: ignore[reportReturnType]

    @torch.no_grad()
    def export(self, weight: Tensor) -> Codes:
        levels, scales, _ = self._round(weight)
        return Codes(levels.cpu().numpy().astype(np.int8), scales.cpu().numpy().copy(), GRID)

    def pair(self) -> tuple[int, int]:
        """The whole numbers whose ratio is nearest to inner / outer."""
        ratio = self.state[1].sigmoid().item()
        return min(PAIRS, key=lambda pair: abs(pair[0] / pair[1] - ratio))

    @torch.no_grad()
    def _round(self, weight: Tensor) -> tuple[Tensor, Tensor, Tensor]:
        """Whole levels as floats [rows, cols], scales [rows, 1] and rms [rows, 1]."""
        inner, outer = self.pair()
        unit = ROW_RMS(weight)
        scales = (unit * (self.state[0].exp() / outer)).clamp_(min=EPSILON)
        size = weight.abs()
        # Adding zero makes 0.0 of -0.0.
        high = (size > scales * ((inner + outer) / 2)).float().mul_(outer - inner)
        levels = (size > scales * (inner / 2)).float().mul_(inner).add_(high).mul_(weight.sign()).add_(0.0)
        return levels, scales, unit


class _Positions(torch.autograd.Function):
    """`used` itself, with the gradient of the two positions [2], in units of the row's rms."""

    @staticmethod
    def forward(ctx: Any, used: Tensor, positions: Tensor, levels: Tensor, unit: Tensor, outer: int) -> Tensor:
        del positions
        ctx.save_for_backward(levels, unit)
        ctx.outer = outer
        return used.view_as(used)

    @staticmethod
    def backward(ctx: Any, *grads: Tensor) -> tuple[Tensor, Tensor, None, None, None]:
        (grad,) = grads
        levels, unit = ctx.saved_tensors
        pull = (grad * levels.sign()).mul_(unit)
        at_outer = (pull * (levels.abs() == ctx.outer)).sum()
        share = balance(levels.numel(), HIGHEST)
        return grad, torch.stack((pull.sum() - at_outer, at_outer)).mul_(share), None, None, None


METHODS = (
    Method(
        name="pentanary-learned",
        title="pentanary, learned positions of the levels, stored in 4 bits",
        grid=GRID,
        granularity=ROW,
        build=lambda _: LearnedLevelsQuantizer(),
    ),
)

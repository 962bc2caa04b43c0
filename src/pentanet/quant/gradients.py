"""How the gradient returns through the rounding.

The forward pass multiplies by `scale * level`, which has no useful derivative.  Every rule here hands the gradient of
the quantized weight to the latent one, some of it masked:

    identity   everywhere, also where the level is clipped (Bengio et al. 2013; BitNet, the published PentaNet)
    clipped    where the weight lies within the range of the levels (LSQ, 1902.08153)
    stretched  where it lies within 0.99 of what rounds to a level without clipping (ParetoQ, 2502.02631)
    trust      where rounding moved the weight by at most half a step (QuEST, 2502.05003)

A scale that is a statistic of the weights gets no gradient here; one that is learned does, in `learned_step`.
"""

from __future__ import annotations

from typing import Any, Literal

import torch
from torch import Tensor

from pentanet.grid import Grid

GradientRule = Literal["identity", "clipped", "stretched", "trust"]
STRETCHED = 0.99  # share of its range in which ParetoQ lets the gradient pass


def edges(grid: Grid, rule: GradientRule) -> tuple[float, float]:
    """Between which weights, in units of the scale, the rules "clipped" and "stretched" let the gradient pass."""
    if rule == "clipped":
        return grid.lowest, grid.highest
    assert rule == "stretched", rule
    edge = STRETCHED * (grid.highest + grid.spacing / 2)
    return -edge, edge


def nearest_level(u: Tensor, grid: Grid) -> Tensor:
    """Round `u` (weights in units of the scale) to the nearest level, in place; ties go to the even integer."""
    if grid.spacing == 2:
        # Levels are odd: -3 -1 1 3.  Zero rounds up, so a binary code is never 0.
        return u.div_(2).floor_().mul_(2).add_(1).clamp_(grid.lowest, grid.highest)
    # Adding zero makes 0.0 of -0.0, which integer codes cannot tell apart: what training uses is the file's bits.
    return u.round_().clamp_(grid.lowest, grid.highest).add_(0.0)


def round_blocks(blocks: Tensor, scales: Tensor, grid: Grid) -> Tensor:
    """Levels of blocks [a, b, n] under scales [a, b, 1], as floats."""
    return nearest_level(blocks / scales, grid)


class _StraightThrough(torch.autograd.Function):
    @staticmethod
    def forward(ctx: Any, blocks: Tensor, scales: Tensor, grid: Grid, rule: GradientRule) -> Tensor:
        used = round_blocks(blocks, scales, grid).mul_(scales)
        if rule in ("clipped", "stretched"):
            low, high = edges(grid, rule)
            ctx.save_for_backward((blocks >= scales * low) & (blocks <= scales * high))
        elif rule == "trust":
            # 1.0 or 0.0 in place: torch multiplies by floats several times faster than by truth values.
            ctx.save_for_backward((used - blocks).abs_().le_(scales * (grid.spacing / 2)))
        return used

    @staticmethod
    def backward(ctx: Any, *grads: Tensor) -> tuple[Tensor, None, None, None]:
        (grad,) = grads
        if ctx.saved_tensors:
            grad = grad * ctx.saved_tensors[0]
        return grad, None, None, None


def straight_through(blocks: Tensor, scales: Tensor, grid: Grid, rule: GradientRule) -> Tensor:
    """`scale * level` for blocks [a, b, n] and scales [a, b, 1], bit for bit, with the gradient of `rule`.

    The usual `w + (q - w).detach()` would round once more and lose the equality with the packed weight.
    """
    return _StraightThrough.apply(blocks, scales, grid, rule)  # pyright: ignore[reportReturnType]


class _Replace(torch.autograd.Function):
    @staticmethod
    def forward(ctx: Any, weight: Tensor, used: Tensor) -> Tensor:
        del ctx, weight
        return used.view_as(used)

    @staticmethod
    def backward(ctx: Any, *grads: Tensor) -> tuple[Tensor, None]:
        del ctx
        return grads[0], None


def replace(weight: Tensor, used: Tensor) -> Tensor:
    """`used`, bit for bit, with the identity gradient to `weight`."""
    return _Replace.apply(weight, used)  # pyright: ignore[reportReturnType]

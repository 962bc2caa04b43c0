"""How the gradient returns through the rounding.

The forward pass multiplies by `scale * level`, which has no useful derivative.  Every rule here hands the gradient of
the quantized weight to the latent one, some of it masked:

    identity  everywhere, also where the level is clipped (Bengio et al. 2013; BitNet, the published PentaNet)
    clipped   where the weight lies within the range of the levels (ParetoQ, LSQ)
    trust     where rounding moved the weight by at most half a step (QuEST 2502.05003)
"""

from __future__ import annotations

from typing import Any, Literal

import torch
from torch import Tensor

from pentanet.grid import Grid

GradientRule = Literal["identity", "clipped", "trust"]
STRETCHED = 0.99  # share of its range in which ParetoQ lets the gradient pass


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
        if rule == "clipped":
            ctx.save_for_backward((blocks >= scales * grid.lowest) & (blocks <= scales * grid.highest))
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


class _LearnedStep(torch.autograd.Function):
    @staticmethod
    def forward(
        ctx: Any, blocks: Tensor, scales: Tensor, grid: Grid, edges: tuple[float, float], balance: float
    ) -> Tensor:
        levels = round_blocks(blocks, scales, grid)
        ctx.save_for_backward(blocks, scales, levels)
        ctx.edges, ctx.balance = edges, balance
        return levels * scales

    @staticmethod
    def backward(ctx: Any, *grads: Tensor) -> tuple[Tensor, Tensor, None, None, None]:
        (grad,) = grads
        blocks, scales, levels = ctx.saved_tensors
        low, high = ctx.edges
        u = blocks / scales
        inside = (u >= low) & (u <= high)
        # LSQ eq. 3: inside the range the step moves the rounding error, outside it moves the clipped level.
        step = torch.where(inside, levels - u, levels)
        return grad * inside, (grad * step).sum(-1, keepdim=True).mul_(ctx.balance), None, None, None


def learned_step(blocks: Tensor, scales: Tensor, grid: Grid) -> Tensor:
    """`scale * level` with the gradient of Learned Step Size Quantization (1902.08153) for both arguments.

    The gradient of the step is balanced by 1/sqrt(n * highest level), n weights sharing the step.
    """
    balance = (blocks.shape[-1] * max(grid.highest, 1)) ** -0.5
    return _LearnedStep.apply(blocks, scales, grid, (grid.lowest, grid.highest), balance)  # pyright: ignore[reportReturnType]


def stretched_step(blocks: Tensor, scales: Tensor, grid: Grid) -> Tensor:
    """`scale * level` with the gradient of ParetoQ's Stretched Elastic Quant (2502.02631) for both arguments.

    Like `learned_step`, but the range reaches to 0.99 of what rounds to the highest level without clipping, half a
    spacing beyond it, and the balance is 1/sqrt(numel) with all weights of the matrix.
    """
    edge = STRETCHED * (grid.highest + grid.spacing / 2)
    return _LearnedStep.apply(blocks, scales, grid, (-edge, edge), blocks.numel() ** -0.5)  # pyright: ignore[reportReturnType]

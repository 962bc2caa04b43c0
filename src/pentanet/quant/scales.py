"""Rules that set a scale from the weights that share it.

Each rule maps blocks [a, b, n] to scales [a, b, 1], without gradient: the scale is a statistic of the weights, and
the straight-through gradient treats it as a constant.  All of them are clamped, at 1e-8 (the seed's epsilon) unless
said, so that a block of zeros keeps a positive scale.
"""

from __future__ import annotations

from collections.abc import Callable
from functools import partial

from torch import Tensor

from pentanet.grid import Grid

EPSILON = 1e-8
LARGEST = 1e30  # of a learned step: infinity times level 0 is not a number
ScaleRule = Callable[[Tensor], Tensor]


def absmean(factor: float = 1.0, *, added: float = 0.0, floor: float = EPSILON) -> ScaleRule:
    """Factor * mean|w| + added, at least `floor`: BitNet b1.58 and the published PentaNet, with factor 1."""
    return partial(_absmean, factor=factor, added=added, floor=floor)


def rms(factor: float) -> ScaleRule:
    """Factor * sqrt(mean w^2)."""
    return partial(_rms, factor=factor)


def rms_optimal(grid: Grid) -> ScaleRule:
    """The scale with the least squared error if the weights are Gaussian (QuEST 2502.05003, extended to any grid)."""
    return rms(grid.optimal_scale())


def absmax(grid: Grid) -> ScaleRule:
    """max|w| at the highest level: nothing is clipped.  For storing embeddings and heads in int8."""
    return partial(_absmax, highest=grid.highest)


def _absmean(blocks: Tensor, factor: float, added: float, floor: float) -> Tensor:
    return blocks.abs().mean(-1, keepdim=True).mul_(factor).add_(added).clamp_(min=floor)


def _rms(blocks: Tensor, factor: float) -> Tensor:
    # vector_norm reads the weights once and makes no squared copy.
    norm = blocks.norm(dim=-1, keepdim=True)
    return norm.mul_(factor * blocks.shape[-1] ** -0.5).clamp_(min=EPSILON)


def _absmax(blocks: Tensor, highest: int) -> Tensor:
    return blocks.abs().amax(-1, keepdim=True).div_(highest).clamp_(min=EPSILON)

"""The scale of a group of weights with the least squared error, by search.

A statistic such as the Gaussian optimum is only a start: real weights have heavy tails.  Candidates around it are tried
for every group at once, and the best is improved by alternating between rounding and the best scale for the rounded
levels, which never makes it worse.
"""

from __future__ import annotations

import torch
from torch import Tensor

from pentanet.grid import Grid
from pentanet.quant.gradients import round_blocks
from pentanet.quant.scales import EPSILON, as_half

CANDIDATES = 16
ALTERNATIONS = 3


@torch.no_grad()
def search_scales(blocks: Tensor, grid: Grid, importance: Tensor | None = None) -> Tensor:
    """Scales [r, g, 1] of blocks [r, g, n]: n weights share one.

    Args:
        blocks: float32 weights.
        grid: the levels.
        importance: weights of the squared errors, [g, n] or [r, g, n]; all alike if missing.

    Returns:
        Positive scales that float16 holds exactly where it has the range, so that formats with float16 scales lose
        nothing.
    """
    rms = blocks.square().mean(-1, keepdim=True).sqrt_()
    low = rms * (0.4 * grid.optimal_scale())
    high = torch.maximum(blocks.abs().amax(-1, keepdim=True) / max(grid.highest, 1), low)
    best, least = low.clamp(min=EPSILON), _error(blocks, low.clamp(min=EPSILON), grid, importance)
    for step in range(1, CANDIDATES + 1):
        best, least = _better(
            blocks, low * (high / low.clamp(min=EPSILON)) ** (step / CANDIDATES), best, least, grid, importance
        )
    for _ in range(ALTERNATIONS):
        levels = round_blocks(blocks, best, grid)
        weighted = levels if importance is None else levels * importance
        fitted = (weighted * blocks).sum(-1, keepdim=True) / (weighted * levels).sum(-1, keepdim=True)
        best, least = _better(blocks, fitted, best, least, grid, importance)
    return as_half(best)


def _better(
    blocks: Tensor, scales: Tensor, best: Tensor, least: Tensor, grid: Grid, importance: Tensor | None
) -> tuple[Tensor, Tensor]:
    usable = scales.nan_to_num(0.0, 0.0, 0.0).clamp(min=EPSILON)
    error = _error(blocks, usable, grid, importance)
    found = error < least
    return torch.where(found, usable, best), torch.where(found, error, least)


def _error(blocks: Tensor, scales: Tensor, grid: Grid, importance: Tensor | None) -> Tensor:
    difference = round_blocks(blocks, scales, grid).mul_(scales).sub_(blocks).square_()
    return (difference if importance is None else difference.mul_(importance)).sum(-1, keepdim=True)

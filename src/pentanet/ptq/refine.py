"""Better levels and scales for a matrix, given how much each error costs.

Coordinate descent: each level in turn becomes the best one given all others, and then the scales of each row become the
best ones for its levels.  Neither step can make the error of the outputs larger.  The same idea is in QuantEase
(2309.01885); the joint solution for the scales of all groups of a row is ours.
"""

from __future__ import annotations

import torch
from torch import Tensor

from pentanet.grid import Grid
from pentanet.quant.gradients import nearest_level
from pentanet.quant.scales import as_half

BLOCK = 128


@torch.no_grad()
def output_error(target: Tensor, levels: Tensor, scales: Tensor, hessian: Tensor) -> Tensor:
    """(Q - T) H (Q - T)^T of each row, [r]."""
    difference = (levels.view(len(levels), scales.shape[1], -1) * scales).flatten(1) - target
    return ((difference @ hessian) * difference).sum(1)


@torch.no_grad()
def refine(
    target: Tensor, levels: Tensor, scales: Tensor, hessian: Tensor, grid: Grid, rounds: int = 3
) -> tuple[Tensor, Tensor]:
    """Levels [r, c] and scales [r, groups, 1] with less error of the outputs.

    Args:
        target: weights [r, c] that would be best.
        levels: to start from, as floats on the grid.
        scales: to start from.
        hessian: damped H [c, c].
        grid: the levels.
        rounds: of two sweeps over the levels and one solution for the scales.
    """
    for _ in range(rounds):
        levels = _sweep(target, levels, scales, hessian, grid)
        scales = _fit_scales(target, levels, scales, hessian)
    return _sweep(target, levels, scales, hessian, grid), scales


def _sweep(target: Tensor, levels: Tensor, scales: Tensor, hessian: Tensor, grid: Grid) -> Tensor:
    """Each level in turn becomes the best one given all others."""
    rows, cols = target.shape
    steps = scales.expand(-1, -1, cols // scales.shape[1]).reshape(rows, cols).t().contiguous()
    now = levels.t().contiguous()
    slope = hessian @ (now * steps - target.t())  # half of the gradient, [c, r]
    for first in range(0, cols, BLOCK):
        stop = min(first + BLOCK, cols)
        moved = torch.empty(stop - first, rows)
        inner = hessian[first:stop, first:stop]
        for i in range(first, stop):
            best = nearest_level(now[i] - slope[i] / (hessian[i, i] * steps[i]), grid)
            moved[i - first] = (best - now[i]) * steps[i]
            now[i] = best
            slope[first:stop].addr_(inner[:, i - first], moved[i - first])
        for part in (slice(0, first), slice(stop, cols)):
            slope[part].addmm_(hessian[part, first:stop], moved)
    return now.t().contiguous()


def _fit_scales(target: Tensor, levels: Tensor, scales: Tensor, hessian: Tensor) -> Tensor:
    """Best scales of all groups of each row together; rows where that does not help keep theirs."""
    rows, groups = scales.shape[:2]
    blocks = levels.view(rows, groups, -1)
    size = blocks.shape[2]
    normal = torch.empty(rows, groups, groups)
    right = torch.empty(rows, groups)
    for g in range(groups):
        product = blocks[:, g] @ hessian[g * size : (g + 1) * size]  # [r, c]
        normal[:, g] = (product.view(rows, groups, size) * blocks).sum(-1)
        right[:, g] = (product * target).sum(-1)
    ridge = normal.diagonal(dim1=1, dim2=2).mean(1).clamp(min=1e-30) * 1e-6
    normal += torch.eye(groups) * ridge[:, None, None]
    found, info = _solve(normal, right)
    usable = ((info == 0) & (found > 0).all(1) & found.isfinite().all(1))[:, None, None]
    fitted = torch.where(usable, as_half(torch.where(usable, found[:, :, None], scales)), scales)
    better = output_error(target, levels, fitted, hessian) < output_error(target, levels, scales, hessian)
    return torch.where(better[:, None, None], fitted, scales)


def _solve(matrix: Tensor, right: Tensor) -> tuple[Tensor, Tensor]:
    """Solutions [r, n], and for each system zero where it has one."""
    result: tuple[Tensor, Tensor] = torch.linalg.solve_ex(matrix, right)  # pyright: ignore[reportAssignmentType]
    return result

"""GPTQ (2210.17323): levels of a matrix, one input after the other, each spreading its error over those that follow.

The error that counts is that of the outputs on the calibration text, (Q - W) H (Q - W)^T with H the mean of x x^T over
its tokens.  Scales are set before, from the weights and the diagonal of H, so that groups stay consecutive inputs of
the row whatever order the inputs are taken in (`static groups`).
"""

from __future__ import annotations

from typing import cast

import torch
from torch import Tensor

from pentanet.grid import Grid
from pentanet.quant.gradients import nearest_level

BLOCK = 128  # inputs whose errors are spread at once


@torch.no_grad()
def damped(hessian: Tensor, damping: float) -> Tensor:
    """H [c, c] + damping * its mean diagonal; inputs that are always zero get a one, so that H can be inverted."""
    diagonal = hessian.diagonal()
    added = torch.where(diagonal > 0, damping * diagonal.mean(), torch.ones(()))
    return hessian + torch.diag(added)


@torch.no_grad()
def gptq(weight: Tensor, scales: Tensor, hessian: Tensor, grid: Grid, *, act_order: bool = True) -> Tensor:
    """Levels of a matrix, as floats [r, c].

    Args:
        weight: [r, c].
        scales: [r, groups, 1].
        hessian: damped H [c, c].
        grid: the levels.
        act_order: take inputs with large activations first, while there is much left to spread the error over.
    """
    rows, cols = weight.shape
    order = hessian.diagonal().argsort(descending=True, stable=True) if act_order else torch.arange(cols)
    # Columns become rows: each step works on contiguous memory.
    left = weight.t()[order].contiguous()
    steps = scales.expand(-1, -1, cols // scales.shape[1]).reshape(rows, cols).t()[order].contiguous()
    spread = _upper_inverse_root(hessian[order][:, order])
    levels = torch.empty_like(left)
    for first in range(0, cols, BLOCK):
        stop = min(first + BLOCK, cols)
        errors = torch.empty(stop - first, rows)
        for i in range(first, stop):
            levels[i] = nearest_level(left[i] / steps[i], grid)
            errors[i - first] = (left[i] - levels[i] * steps[i]) / spread[i, i]
            left[i + 1 : stop].addr_(spread[i, i + 1 : stop], errors[i - first], alpha=-1)
        left[stop:].addmm_(spread[first:stop, stop:].t(), errors, alpha=-1)
    found = torch.empty_like(levels)
    found[order] = levels
    return found.t().contiguous()


def _upper_inverse_root(hessian: Tensor) -> Tensor:
    """U with U^T U = H^-1, upper triangular; more damping where H is not positive definite in float32."""
    for extra in (0.0, 1e-3, 1e-2, 1e-1, 1.0):
        matrix = hessian + torch.eye(len(hessian)) * (extra * hessian.diagonal().mean())
        root = _cholesky(matrix)
        if root is not None:
            inverse: Tensor = torch.cholesky_inverse(root)
            upper = _cholesky(inverse, upper=True)
            if upper is not None:
                return upper
    raise AssertionError("a matrix with its mean diagonal added is positive definite")


def _cholesky(matrix: Tensor, *, upper: bool = False) -> Tensor | None:
    """The root of a positive definite matrix, None of another."""
    root, info = cast("tuple[Tensor, Tensor]", torch.linalg.cholesky_ex(matrix, upper=upper))
    return root if int(info) == 0 else None

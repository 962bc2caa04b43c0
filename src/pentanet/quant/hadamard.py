"""Hadamard rotation of the inputs of a matrix, in blocks (QuaRot 2404.00456, QuEST 2502.05003).

y = x W^T = (x H) (W H)^T for an orthogonal H.  A Hadamard matrix spreads a large weight over its whole block, so that
the weights of W H are close to Gaussian whatever those of W are, and it is its own inverse.  Blocks have 128 inputs, or
the largest power of two that divides the number of inputs where 128 does not (our reading: QuEST's widths are
multiples of 128).
"""

from __future__ import annotations

import math
from functools import cache
from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

BLOCK = 128


def block_size(inputs: int) -> int:
    """Inputs that are rotated together."""
    return math.gcd(inputs, BLOCK)


@cache
def signs(size: int) -> NDArray[np.float32]:
    """Sylvester's Hadamard matrix [size, size] of 1 and -1, symmetric; `size` is a power of two."""
    found = np.ones((1, 1), np.float32)
    while len(found) < size:
        found = np.block([[found, found], [found, -found]])
    found.flags.writeable = False
    return found


def rotate(weight: Tensor) -> Tensor:
    """W H for W [rows, cols], with its gradient.

    By additions in a fixed order (the fast Walsh-Hadamard transform): a matrix product would give other last bits with
    another number of threads, and a weight near a threshold another level.
    """
    return _Rotate.apply(weight)  # pyright: ignore[reportReturnType]


class _Rotate(torch.autograd.Function):
    @staticmethod
    def forward(ctx: Any, weight: Tensor) -> Tensor:
        del ctx
        return _transformed(weight)

    @staticmethod
    def backward(ctx: Any, *grads: Tensor) -> Tensor:
        del ctx
        return _product(grads[0])  # nothing is rounded to levels after it


def rotate_inputs(x: Tensor) -> Tensor:
    """X H for x [..., cols], with its gradient: by a product, in the precision of products."""
    return _RotateInputs.apply(x)  # pyright: ignore[reportReturnType]


class _RotateInputs(torch.autograd.Function):
    @staticmethod
    def forward(ctx: Any, x: Tensor) -> Tensor:
        ctx.dtype = x.dtype
        return _product(x)

    @staticmethod
    def backward(ctx: Any, *grads: Tensor) -> Tensor:
        return _product(grads[0]).to(ctx.dtype)


def _product(x: Tensor) -> Tensor:
    """X H, in bfloat16 under autocast."""
    size = block_size(x.shape[-1])
    matrix = torch.tensor(signs(size), dtype=x.dtype, device=x.device)  # exact in any type, as alpha below is not
    turned = torch.addmm(x.new_zeros(1), x.reshape(-1, size), matrix, beta=0, alpha=size**-0.5)
    return turned.view(x.shape)


def _transformed(weight: Tensor) -> Tensor:
    size = block_size(weight.shape[-1])
    if size == 1:
        return weight.clone()
    # Whole rows are added, which runs at the speed of memory.  A copy in any case: it is written to.
    found = weight.reshape(-1, size).t().clone(memory_format=torch.contiguous_format)
    other = torch.empty_like(found)  # two buffers in turn stay in the cache
    both = weight.new_tensor([[1.0], [-1.0]])
    count, half = found.shape[1], 1
    while half < size:
        pairs = found.view(-1, 2, half * count)
        torch.addcmul(
            pairs[:, :1], pairs[:, 1:], both, out=other.view(-1, 2, half * count)
        )  # the sum and the difference
        found, other, half = other, found, 2 * half
    return found.mul_(size**-0.5).t().reshape(weight.shape)

"""Rounding of what a quantized linear multiplies its weights by, with straight-through gradients.

int8      one scale per token, the largest magnitude / 127: what the native engine does in every model, so that a net
          which trains with it has already seen what it will run on.
elastic   one learned step per linear, and 3 or 2 levels (Binary and Ternary Natural Language Generation, 2306.01841,
          with the gradient of LSQ, 1902.08153).  Source: quant/utils_quant.py of
          facebookresearch/Ternary_Binary_Transformer.  Its quantizers of positive inputs and of attention are left
          out: the networks here have no linear with positive inputs.  With 255 levels (elastic8) the rule is ours: at
          8 bits that code has no learned step, but a scale from the largest magnitude, clipped at +-2.5.
hadamard  rotated in blocks, for weights that are rotated alike: see `pentanet.quant.hadamard`.  hadamard8 rounds to
          int8 per token after that, as BitNet v2 (2504.18415) in front of matrices that it trains in the rotated basis.
"""

from __future__ import annotations

import math
from typing import Any

import torch
from torch import Tensor, nn

from pentanet.grid import BINARY, TERNARY, Grid
from pentanet.linear_options import Activations, Rounding
from pentanet.quant.hadamard import rotate_inputs
from pentanet.quant.learned_step import learned_step, step_of
from pentanet.quant.scales import EPSILON

SYMMETRIC_INT8 = Grid("int8 without -128", tuple(range(-127, 128)))
LEAST_POSITIVE = 2.0**-149  # float32
COARSE = 12  # mean magnitude of the int8 of a token: see native/include/pentanet/linear.h


def input_quantizer(kind: Activations) -> nn.Module | None:
    """The module in front of a linear, or None for "none"."""
    match kind:
        case "none":
            return None
        case "int8":
            return Int8()
        case "elastic8" | "elastic2" | "elastic1":
            return Elastic(int(kind.removeprefix("elastic")))
        case "hadamard":
            return Hadamard()
        case "hadamard8":
            return nn.Sequential(Hadamard(), Int8())


class Int8(nn.Module):
    """x [..., cols] -> the same, rounded to int8 with one scale per token as in native/src/kernels/float_ops.h.

    With "int8x2" what rounding missed is rounded likewise and added; with "adaptive" only where the int8 of a token are
    small but for a few.
    """

    def __init__(self, rounding: Rounding = "int8") -> None:
        super().__init__()
        self.rounding: Rounding = rounding

    def forward(self, x: Tensor) -> Tensor:
        return _Int8.apply(x, self.rounding)  # pyright: ignore[reportReturnType]


class Hadamard(nn.Module):
    """x [..., cols] -> x H: each block of inputs times a Hadamard matrix / sqrt(size)."""

    def forward(self, x: Tensor) -> Tensor:
        return rotate_inputs(x)


class Elastic(nn.Module):
    """x [..., cols] -> step * level, with one learned step and levels -1, 1 (1 bit), -1..1 (2) or -127..127 (8).

    The first batch sets the step to 2 mean|x| / sqrt(highest level).
    """

    def __init__(self, bits: int) -> None:
        super().__init__()
        self.grid = {8: SYMMETRIC_INT8, 2: TERNARY, 1: BINARY}[bits]
        self.log_step = nn.Parameter(torch.tensor(-math.inf))
        self._is_set = False

    def forward(self, x: Tensor) -> Tensor:
        if not self._is_set:
            self._set(x)
        step = step_of(self.log_step).view(1, 1, 1)
        return learned_step(x.reshape(1, 1, -1), step, self.grid).view_as(x)

    @torch.no_grad()
    def _set(self, x: Tensor) -> None:
        if not self.log_step.isfinite():  # else it came from a checkpoint
            step = 2 * x.float().abs().mean() / math.sqrt(self.grid.highest)
            self.log_step.copy_(step.clamp(min=EPSILON).log())
        self._is_set = True


class _Int8(torch.autograd.Function):
    @staticmethod
    def forward(ctx: Any, x: Tensor, rounding: Rounding) -> Tensor:
        del ctx
        values = x.float()
        levels, scale = int8_levels(values)
        if rounding == "int8":
            return levels.mul_(scale).add_(0.0).to(x.dtype)
        once = levels * scale
        more, more_scale = int8_levels(values - once)
        if rounding == "adaptive":
            more_scale = more_scale * is_coarse(levels)
        return more.mul_(more_scale).add_(once).to(x.dtype)

    @staticmethod
    def backward(ctx: Any, *grads: Tensor) -> tuple[Tensor, None]:
        del ctx
        return grads[0], None


def int8_levels(x: Tensor) -> tuple[Tensor, Tensor]:
    """Round x [..., cols]: whole numbers in float32 [..., cols], from -127 to 127, and scales [..., 1]."""
    scale = x.abs().amax(-1, keepdim=True).div_(127)
    # A token of zeros, or of values too small for a scale, has scale zero, and zero is what it becomes.
    return x.div(scale.clamp(min=LEAST_POSITIVE)).round_().clamp_(-127, 127), scale


def is_coarse(levels: Tensor) -> Tensor:
    """Whether most levels of a token are small: levels [..., cols] -> [..., 1]."""
    return levels.abs().long().sum(-1, keepdim=True) < COARSE * levels.shape[-1]

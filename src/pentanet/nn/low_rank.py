"""A float path of low rank beside a quantized linear: y + gate * (x A^T) B^T, after Hybrid Gated Flow (2602.05269).

The paper gives one learned gate per projection, a lower rate, a warm-up, a pull and a freeze for it, an equilibrium
of about 0.1 and a cost of 12 to 15 % of the ternary memory; it prints neither ranks nor functions, and no code.  What
stands here is our reading: rank inputs / 128 (12.5 % of weights in 2 bits), gate = tanh of a parameter, from 0.1, moved
at a tenth of the rate, pulled to 0.1, frozen after a quarter of the training.  B starts at zero: the network starts as
the one without.
"""

from __future__ import annotations

import math
from typing import Any

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from pentanet.linear_options import LowRank, low_rank_of
from pentanet.quant.gradients import replace

GATE, GATE_RATE, PULL, FREEZE = 0.1, 0.1, 1e-4, 0.25


def low_rank_path(kind: LowRank, inputs: int, outputs: int) -> LowRankPath | None:
    """The path beside a linear, or None for "none"."""
    return None if kind == "none" else LowRankPath(inputs, outputs, gated=kind == "gated")


class LowRankPath(nn.Module):
    """x [..., inputs] -> [..., outputs] through max(1, inputs / 128) dimensions, in bfloat16 weights.

    Attributes:
        down: A [rank, inputs].
        up: B [outputs, rank], zero at the start.
        gate: its parameter, in units that make the optimizer's rate a tenth; None for a path without.
    """

    def __init__(self, inputs: int, outputs: int, *, gated: bool) -> None:
        super().__init__()
        rank = low_rank_of(inputs)
        self.down = nn.Parameter(torch.empty(rank, inputs))
        self.up = nn.Parameter(torch.empty(outputs, rank))
        self.gate = nn.Parameter(torch.tensor(math.atanh(GATE) / GATE_RATE)) if gated else None

    def matrices(self) -> tuple[nn.Parameter, nn.Parameter]:
        """A and B."""
        return self.down, self.up

    @torch.no_grad()
    def draw(self, generator: torch.Generator) -> None:
        """A from N(0, 1/inputs), B zero."""
        self.down.normal_(0.0, self.down.shape[1] ** -0.5, generator=generator)
        self.up.zero_()

    def forward(self, x: Tensor, progress: float) -> Tensor:
        inner = F.linear(x, _stored(self.down))
        if self.gate is not None:
            gate = self.gate.detach() if progress >= FREEZE else self.gate
            inner = inner * _pulled((gate * GATE_RATE).tanh())  # here there are fewest numbers
        return F.linear(inner, _stored(self.up))


def _stored(weight: Tensor) -> Tensor:
    """What the packed file holds of it."""
    return replace(weight, weight.detach().bfloat16().float())


def _pulled(gate: Tensor) -> Tensor:
    return _Pulled.apply(gate)  # pyright: ignore[reportReturnType]


class _Pulled(torch.autograd.Function):
    """The gate itself, with the gradient of PULL * (gate - 0.1)^2 added."""

    @staticmethod
    def forward(ctx: Any, gate: Tensor) -> Tensor:
        ctx.save_for_backward(gate)
        return gate.view_as(gate)

    @staticmethod
    def backward(ctx: Any, *grads: Tensor) -> Tensor:
        return grads[0] + 2 * PULL * (ctx.saved_tensors[0] - GATE)

"""Tequila (2509.23809): ternary whose dead weights still act, as a bias that does not depend on the input.

Weights that round to zero would neither act nor learn anything from their own size.  Here they add lambda * w to their
output, whatever the input is; that sum is one constant per output, which the packed model stores as a bias.
Source: TernaryQuant/models/utils_quant.py of Tencent/AngelSlim, branch tequila, method "ultraquantv2".
"""

from typing import Any

import torch
from torch import Tensor

from pentanet.codes import Codes
from pentanet.grid import TERNARY
from pentanet.quant.granularity import Granularity, group_near
from pentanet.quant.method import Method
from pentanet.quant.scales import absmean
from pentanet.quant.uniform import UniformQuantizer

LAMBDA = 1e-3
GROUP = group_near(128)


class TequilaQuantizer(UniformQuantizer):
    """Absmean ternary in groups, with bias[row] = strength * sum of the latent weights that round to zero."""

    def __init__(self, strength: float = LAMBDA, granularity: Granularity = GROUP) -> None:
        super().__init__(TERNARY, granularity, absmean())
        self.strength = strength

    def bias(self, weight: Tensor, used: Tensor) -> Tensor:
        return _DeadSum.apply(weight, used, self.strength)  # pyright: ignore[reportReturnType]

    @torch.no_grad()
    def export(self, weight: Tensor) -> Codes:
        codes = super().export(weight)
        bias = self.bias(weight, torch.from_numpy(codes.levels).to(weight))
        return Codes(codes.levels, codes.scales, codes.grid, bias.cpu().numpy())


class _DeadSum(torch.autograd.Function):
    """strength * the sum over each row of the weights that are used as zero, with its gradient to these."""

    @staticmethod
    def forward(ctx: Any, weight: Tensor, used: Tensor, strength: float) -> Tensor:
        # 1 where dead, 0 elsewhere: arithmetic on floats takes a fifth of the time of a mask.
        dead = used.abs().sign_().neg_().add_(1.0)
        ctx.save_for_backward(dead)
        ctx.strength = strength
        # Summed in float64: the order of the sum, which depends on threads and device, does not show in float32.
        return (weight * dead).sum(-1, dtype=torch.float64).mul_(strength).float()

    @staticmethod
    def backward(ctx: Any, *grads: Tensor) -> tuple[Tensor, None, None]:
        return (grads[0] * ctx.strength).unsqueeze(-1) * ctx.saved_tensors[0], None, None


METHODS = (
    Method(
        name="tequila",
        title="ternary, group absmean, dead weights as a bias (Tequila)",
        paper="2509.23809",
        grid=TERNARY,
        granularity=GROUP,
        scale=absmean(),
        build=lambda _: TequilaQuantizer(),
    ),
)

"""Sherry (2601.07892): of each four consecutive inputs three are -1 or 1, and the smallest is zero.

16 patterns of zero and signs, times a common sign: 5 bits for 4 weights.  Source: the paper, eq. 4 and 5, and
Sherry/models/utils_quant.py of Tencent/AngelSlim, branch sherry.

`sherry` trains with the residual of Arenas, as published; `sherry-mix` with one that is normalized and ends at 60 % of
the training, ours; `sherry-plain` with none, the control.
"""

from __future__ import annotations

from collections.abc import Callable

import numpy as np
import torch
from torch import Tensor

from pentanet.codes import Codes
from pentanet.errors import ConfigError
from pentanet.grid import TERNARY
from pentanet.quant.base import Quantizer
from pentanet.quant.gradients import replace
from pentanet.quant.granularity import Granularity, group_near
from pentanet.quant.method import Method
from pentanet.quant.residual import ResidualQuantizer, arenas, early_cosine
from pentanet.quant.scales import EPSILON

BLOCK, KEPT = 4, 3
GROUP = group_near(128, BLOCK)


class SparseTernaryQuantizer(Quantizer):
    """Levels by magnitude within blocks of four, scale = mean |w| of the kept: the least squared error under 3:4.

    Ties drop the first of the smallest.  A kept weight of exactly zero becomes 1, since a block has one zero, not two.
    """

    def __init__(self, granularity: Granularity = GROUP) -> None:
        super().__init__()
        self.granularity = granularity

    def fake(self, weight: Tensor, progress: float) -> Tensor:
        del progress
        with torch.no_grad():
            levels, scales = self._levels_and_scales(weight)
            used = (self.granularity.blocks(levels) * scales).view_as(weight)
        return replace(weight, used)

    @torch.no_grad()
    def export(self, weight: Tensor) -> Codes:
        levels, scales = self._levels_and_scales(weight)
        return Codes(levels.cpu().numpy().astype(np.int8), scales.squeeze(-1).cpu().numpy().copy(), TERNARY)

    def _levels_and_scales(self, weight: Tensor) -> tuple[Tensor, Tensor]:
        """Levels [rows, cols] and scales [rows, groups, 1]."""
        rows, cols = weight.shape
        if cols % BLOCK:
            raise ConfigError(f"a weight of {rows} x {cols}: 3:4 sparsity needs inputs in fours")
        size = weight.abs()
        kept = largest_three_of_four(size)
        # Adding zero makes 0.0 of -0.0.  What is kept is zero only where a block has several zeros.
        levels = (weight.sign() * kept).add_(0.0)
        if not weight.all():
            levels = torch.where((weight == 0) & (kept == 1), 1.0, levels)
        magnitudes = self.granularity.blocks(size.mul_(kept))
        if magnitudes.shape[-1] % BLOCK:
            raise ConfigError(f"groups of {magnitudes.shape[-1]} inputs: 3:4 sparsity needs groups of a multiple of 4")
        count = magnitudes.shape[-1] // BLOCK * KEPT
        return levels, magnitudes.sum(-1, keepdim=True).div_(count).clamp_(min=EPSILON)


def largest_three_of_four(size: Tensor) -> Tensor:
    """0.0 at the first smallest of each four consecutive magnitudes of `size` [rows, cols], 1.0 elsewhere."""
    # Arithmetic on floats and strided views is several times faster than an argmin over a dimension of four.
    a, b, c, d = size.view(size.shape[0], -1, BLOCK).unbind(-1)
    ab, cd = torch.minimum(a, b), torch.minimum(c, d)
    smallest = torch.minimum(ab, cd).unsqueeze(-1)
    kept = (size.view(size.shape[0], -1, BLOCK) - smallest).sign_().view_as(size)
    if kept.sum(dtype=torch.float64) * BLOCK == size.numel() * KEPT:
        return kept
    left, first, third = ab <= cd, a <= b, c <= d  # there are ties
    return torch.stack((~left | ~first, ~left | first, left | ~third, left | third), -1).view_as(size).float()


def _sherry(name: str, title: str, build: Callable[[Method], Quantizer]) -> Method:
    return Method(
        name=name, title=title, paper="2601.07892", grid=TERNARY, granularity=GROUP, build=build, multiple=BLOCK
    )


METHODS = (
    _sherry(
        "sherry",
        "3:4 sparse ternary, annealed residual (Sherry)",
        lambda _: ResidualQuantizer(SparseTernaryQuantizer(), arenas),
    ),
    _sherry(
        "sherry-mix",
        "3:4 sparse ternary, normalized residual",
        lambda _: ResidualQuantizer(SparseTernaryQuantizer(), early_cosine, normalized=True),
    ),
    _sherry("sherry-plain", "3:4 sparse ternary", lambda _: SparseTernaryQuantizer()),
)

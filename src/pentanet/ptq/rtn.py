"""Round to nearest: each group of weights by itself, with the scale of least squared error; looks at no text."""

from __future__ import annotations

import torch
from torch import Tensor

from pentanet.codes import Codes
from pentanet.grid import Grid
from pentanet.ptq.scales import search_scales
from pentanet.quant.gradients import round_blocks
from pentanet.quant.granularity import Granularity
from pentanet.quant.scales import absmax, as_half


@torch.no_grad()
def round_to_nearest(weight: Tensor, grid: Grid, granularity: Granularity) -> Codes:
    """Codes of a weight [rows, cols].

    Raises:
        ConfigError: the groups do not divide a row.
    """
    blocks = granularity.blocks(weight)
    scales = as_half(absmax(grid)(blocks)) if grid.size == 256 else search_scales(blocks, grid)
    return to_codes(round_blocks(blocks, scales, grid).view_as(weight), scales, grid)


def to_codes(levels: Tensor, scales: Tensor, grid: Grid) -> Codes:
    """Codes of levels [rows, cols], as floats, and scales [rows, groups, 1]."""
    return Codes(levels.to(torch.int8).numpy(), scales.squeeze(-1).numpy().copy(), grid)

"""The searched scale is the best one."""

from __future__ import annotations

import pytest
import torch

from pentanet.grid import GRIDS, PENTANARY, TERNARY
from pentanet.ptq.scales import search_scales
from pentanet.quant.gradients import round_blocks


def error(blocks, scales, grid, importance=1.0):
    return ((round_blocks(blocks, scales, grid) * scales - blocks).square() * importance).sum(-1, keepdim=True)


@pytest.mark.parametrize("name", ["binary", "ternary", "quaternary", "pentanary", "septenary", "nonary", "int4"])
def test_gaussian_weights_meet_the_closed_form(name):
    grid = GRIDS[name]
    blocks = torch.randn(1, 1, 200_000, generator=torch.Generator().manual_seed(0)) * 0.02
    scale = search_scales(blocks, grid)
    assert float(error(blocks, scale, grid) / blocks.square().sum()) == pytest.approx(
        grid.gaussian(grid.optimal_scale()).mse, abs=1e-3
    )


@pytest.mark.parametrize("grid", [TERNARY, PENTANARY], ids=lambda g: g.name)
def test_no_scale_of_a_fine_search_is_much_better(grid):
    random = torch.Generator().manual_seed(1)
    blocks = torch.randn(8, 4, 96, generator=random) ** 3  # heavy tails
    importance = torch.rand(4, 96, generator=random) + 0.1
    found = error(blocks, search_scales(blocks, grid, importance), grid, importance)
    top = blocks.abs().amax(-1, keepdim=True)
    best = torch.stack([error(blocks, top * i / 2000, grid, importance) for i in range(20, 2001)]).amin(0)
    assert float(found.sum() / best.sum()) < 1.01


def test_scales_are_half_precision_and_positive():
    scales = search_scales(torch.randn(4, 2, 64), PENTANARY)
    assert torch.equal(scales, scales.half().float())
    zeros = search_scales(torch.zeros(2, 1, 8), PENTANARY)
    assert (zeros > 0).all()
    assert not round_blocks(torch.zeros(2, 1, 8), zeros, PENTANARY).any()
    tiny = search_scales(torch.randn(2, 1, 8) * 1e-6, PENTANARY)
    assert ((tiny > 1e-8) & (tiny < 1e-5)).all()

"""GPTQ and the refinement, against what they must be: better than rounding, exact where they have closed forms."""

from __future__ import annotations

import itertools

import pytest
import torch

from pentanet.grid import GRIDS, PENTANARY, TERNARY
from pentanet.ptq.gptq import damped, gptq
from pentanet.ptq.refine import _fit_scales, output_error, refine
from pentanet.ptq.rtn import round_to_nearest
from pentanet.ptq.scales import search_scales
from pentanet.quant.gradients import round_blocks
from pentanet.quant.granularity import ROW, group


def problem(rows=24, cols=96, seed=0):
    """A weight, and the Hessian of inputs that hang together and differ in size, as those of networks do."""
    random = torch.Generator().manual_seed(seed)
    mix = torch.randn(cols, cols, generator=random) / cols**0.5 + torch.eye(cols)
    x = torch.randn(600, cols, generator=random) @ mix * torch.rand(cols, generator=random).add(0.1)
    return torch.randn(rows, cols, generator=random), damped(x.t() @ x / len(x), 0.01)


@pytest.mark.parametrize("name", ["ternary", "pentanary", "septenary", "nonary", "int3", "int4", "int6", "int8"])
@pytest.mark.parametrize("act_order", [True, False])
def test_each_step_is_better_than_the_one_before(name, act_order):
    grid, (weight, hessian) = GRIDS[name], problem()
    blocks = group(32).blocks(weight)
    scales = search_scales(blocks, grid, hessian.diagonal().view(3, 32))
    rounded = round_blocks(blocks, scales, grid).view_as(weight)
    spread = gptq(weight, scales, hessian, grid, act_order=act_order)
    levels, fitted = refine(weight, spread, scales, hessian, grid)
    for found in (spread, levels):
        assert torch.isin(found, torch.tensor(grid.levels, dtype=torch.float32)).all()
    errors = [
        float(output_error(weight, q, s, hessian).sum())
        for q, s in ((rounded, scales), (spread, scales), (levels, fitted))
    ]
    assert errors[1] < 0.9 * errors[0]
    assert errors[2] < 0.97 * errors[1]


def test_gptq_without_correlations_is_rounding():
    weight, hessian = problem()
    scales = search_scales(ROW.blocks(weight), PENTANARY)
    levels = gptq(weight, scales, torch.diag(hessian.diagonal()), PENTANARY)
    assert torch.equal(levels, round_blocks(ROW.blocks(weight), scales, PENTANARY).view_as(weight))


def test_gptq_is_the_textbook_algorithm():
    """Against the direct form: after each input, the remaining ones take the least squares update (OBQ)."""
    weight, hessian = problem(rows=3, cols=10)
    scales = search_scales(ROW.blocks(weight), TERNARY)
    left, expected = weight.double().clone(), torch.empty_like(weight)
    for i in range(10):
        expected[:, i] = (left[:, i] / scales[:, 0, 0]).round().clamp(-1, 1)
        error = left[:, i] - expected[:, i] * scales[:, 0, 0]
        inverse = torch.linalg.inv(hessian[i:, i:].double())
        left[:, i:] -= error[:, None] * inverse[0] / inverse[0, 0]
    assert torch.equal(gptq(weight, scales, hessian, TERNARY, act_order=False), expected)


def test_order_and_blocks_only_matter_as_they_should():
    weight, hessian = problem(cols=300)
    scales = search_scales(group(100).blocks(weight), PENTANARY)
    order = hessian.diagonal().argsort(descending=True, stable=True)
    steps = scales.expand(-1, -1, 100).reshape(weight.shape)[:, order]
    direct = gptq(weight[:, order], steps[:, :, None], hessian[order][:, order], PENTANARY, act_order=False)
    assert torch.equal(gptq(weight, scales, hessian, PENTANARY)[:, order], direct)


def test_refinement_ends_where_no_single_level_helps():
    weight, hessian = problem(rows=4, cols=12)
    scales = search_scales(ROW.blocks(weight), TERNARY)
    levels, fitted = refine(weight, gptq(weight, scales, hessian, TERNARY), scales, hessian, TERNARY, rounds=20)
    least = output_error(weight, levels, fitted, hessian)
    for i, level in itertools.product(range(12), (-1.0, 0.0, 1.0)):
        other = levels.clone()
        other[:, i] = level
        assert (output_error(weight, other, fitted, hessian) >= least * (1 - 1e-5)).all()


def test_scales_of_all_groups_are_solved_together():
    weight, hessian = problem(rows=5, cols=64)
    made = round_to_nearest(weight, PENTANARY, group(16))
    levels, scales = torch.from_numpy(made.levels).float(), torch.from_numpy(made.scales)[:, :, None]
    fitted = _fit_scales(weight, levels, scales, hessian)
    least = output_error(weight, levels, fitted, hessian)
    for g, factor in itertools.product(range(4), (0.97, 1.03)):
        other = fitted.clone()
        other[:, g] *= factor
        assert (output_error(weight, levels, other, hessian) > least).all()
    assert (output_error(weight, levels, fitted, hessian) <= output_error(weight, levels, scales, hessian)).all()


def test_inputs_that_are_always_zero_do_no_harm():
    weight, hessian = problem()
    hessian[:, 5] = hessian[5] = 0
    safe = damped(hessian, 0.01)
    scales = search_scales(ROW.blocks(weight), PENTANARY)
    levels = gptq(weight, scales, safe, PENTANARY)
    assert levels.isfinite().all()
    assert refine(weight, levels, scales, safe, PENTANARY)[0].isfinite().all()

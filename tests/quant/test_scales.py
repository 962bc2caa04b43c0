"""Scale rules by hand."""

from __future__ import annotations

import pytest
import torch

from pentanet.grid import GRIDS, PENTANARY, TERNARY
from pentanet.quant.granularity import ROW, TENSOR, group
from pentanet.quant.scales import EPSILON, ScaleRule, absmax, absmean, as_half, learned, rms, rms_optimal

WEIGHT = torch.tensor([[3.0, -4.0, 0.0, 0.0], [1.0, 1.0, -1.0, -5.0]])
RULES = {
    "absmean": absmean(),
    "rms": rms(1.0),
    "rms-optimal": rms_optimal(PENTANARY),
    "absmax": absmax(GRIDS["int8"]),
}


def scales(rule: ScaleRule, shared: object = ROW) -> list[float]:
    return rule(shared.blocks(WEIGHT)).flatten().tolist()  # type: ignore[attr-defined]


def test_absmean() -> None:
    assert scales(absmean()) == [1.75, 2.0]
    assert scales(absmean(4 / 3)) == pytest.approx([7 / 3, 8 / 3])
    assert scales(absmean(), TENSOR) == [1.875]


def test_rms() -> None:
    assert scales(rms(1.0)) == pytest.approx([2.5, 7**0.5])
    assert scales(rms(1.0), group(2)) == pytest.approx([12.5**0.5, 0.0, 1.0, 13**0.5], abs=1e-7)


def test_rms_optimal() -> None:
    assert scales(rms_optimal(TERNARY)) == pytest.approx([2.5 * 1.22401, 7**0.5 * 1.22401], rel=1e-4)
    assert scales(rms_optimal(PENTANARY)) == pytest.approx([2.5 * 0.8430, 7**0.5 * 0.8430], rel=1e-3)


def test_absmax_clips_nothing() -> None:
    # The highest level of int8 is 127, not 128: with it nothing on either side is clipped.
    assert scales(absmax(GRIDS["int8"])) == pytest.approx([4 / 127, 5 / 127])


@pytest.mark.parametrize("name", RULES)
def test_a_block_of_zeros_has_a_positive_scale(name: str) -> None:
    assert RULES[name](torch.zeros(2, 1, 5)).flatten().tolist() == pytest.approx([EPSILON, EPSILON])


@pytest.mark.parametrize("name", RULES)
def test_rules_leave_the_weight_alone(name: str) -> None:
    weight = WEIGHT.clone()
    RULES[name](ROW.blocks(weight))
    assert torch.equal(weight, WEIGHT)


def test_a_rule_is_data() -> None:
    assert absmean(4 / 3) == absmean(4 / 3) != absmean()
    assert rms_optimal(PENTANARY) == rms(PENTANARY.optimal_scale())
    said = {absmean(): "mean abs", absmean(4 / 3): "1.333 mean abs", rms_optimal(PENTANARY): "0.8430 rms"}
    assert {str(rule) for rule in said} == set(said.values())
    assert str(learned(rms(1.0))) == "learned, from 1.0000 rms"
    assert str(absmax(GRIDS["int8"])) == "max abs / 127"


@pytest.mark.parametrize("rule", [absmean(), absmean(4 / 3), rms(0.5), rms_optimal(TERNARY)], ids=str)
def test_what_a_rule_says_of_gaussian_weights_is_what_it_does(rule: ScaleRule) -> None:
    n = 1 << 16
    weights = torch.special.ndtri((torch.arange(n, dtype=torch.float64) + 0.5) / n).float()[None, None]
    assert rule.gaussian == pytest.approx(rule(weights).item(), rel=1e-3)


def test_a_rule_without_a_limit_says_nothing_of_gaussian_weights() -> None:
    assert absmax(GRIDS["int8"]).gaussian is None
    assert learned(absmean()).gaussian is None


@pytest.mark.parametrize("rule", [absmean(0.9), rms(1.1)], ids=str)
def test_rules_have_a_gradient_where_a_method_asks_for_it(rule: ScaleRule) -> None:
    blocks = torch.randn(2, 3, 5, generator=torch.Generator().manual_seed(0), dtype=torch.float64).requires_grad_()
    assert torch.autograd.gradcheck(rule, (blocks,))


def test_halves_are_kept_where_float16_has_them() -> None:
    scales = torch.tensor([0.1, 1.0, 1e-6, 1e6])
    assert as_half(scales).tolist() == [torch.tensor(0.1).half().item(), 1.0, scales[2].item(), 1e6]

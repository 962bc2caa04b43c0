"""Scale rules by hand."""

from __future__ import annotations

import pytest
import torch

from pentanet.grid import GRIDS, PENTANARY, TERNARY
from pentanet.quant.granularity import ROW, TENSOR, group
from pentanet.quant.scales import EPSILON, ScaleRule, absmax, absmean, rms, rms_optimal

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

"""The contract of methods is kept by ours, and each way of breaking it has its message."""

from __future__ import annotations

import dataclasses

import pytest
import torch
from torch import Tensor

from pentanet.errors import ConfigError
from pentanet.grid import TERNARY
from pentanet.quant import METHODS, TENSOR, UniformQuantizer
from pentanet.quant.contract import check
from pentanet.quant.uniform import Cast

ROWWISE = METHODS["ternary"]


@pytest.mark.parametrize("name", METHODS)
def test_ours_keep_it(name: str) -> None:
    check(METHODS[name])


class SoftInValidation(UniformQuantizer):
    def fake(self, weight: Tensor, progress: float) -> Tensor:
        return super().fake(weight, progress) if progress == 1 else weight


class BiasThatIsNotStored(UniformQuantizer):
    def bias(self, weight: Tensor, used: Tensor) -> Tensor:
        return (weight - used).sum(-1)


@pytest.mark.parametrize(
    ("method", "message"),
    [
        (dataclasses.replace(ROWWISE, build=SoftInValidation.of), "in validation `fake` differs"),
        (dataclasses.replace(ROWWISE, build=BiasThatIsNotStored.of), "`bias` differs"),
        (dataclasses.replace(ROWWISE, granularity=TENSOR, build=lambda _: ROWWISE.make()), r"scales \(6, 1\)"),
        (dataclasses.replace(ROWWISE, build=lambda _: METHODS["pentanary"].make()), "the grid pentanary"),
        (dataclasses.replace(ROWWISE, build=lambda _: Cast(torch.bfloat16)), "where the method has a grid"),
    ],
)
def test_what_breaks_it_is_named(method: object, message: str) -> None:
    with pytest.raises(ConfigError, match=message):
        check(method)  # type: ignore[arg-type]


def test_minus_zero_is_not_zero() -> None:
    """What integer codes cannot tell apart would be two different bits."""

    class MinusZero(UniformQuantizer):
        def fake(self, weight: Tensor, progress: float) -> Tensor:
            used = super().fake(weight, progress)
            return torch.where(used == 0, -0.0, used)

    assert ROWWISE.grid == TERNARY
    with pytest.raises(ConfigError, match="`fake` differs"):
        check(dataclasses.replace(ROWWISE, build=MinusZero.of))

"""The building blocks of methods, in every combination, whether a method uses it yet or not."""

from __future__ import annotations

import numpy as np
import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st

from pentanet.codes import Codes
from pentanet.errors import ConfigError
from pentanet.grid import BINARY, GRIDS, PENTANARY
from pentanet.quant.gradients import GradientRule
from pentanet.quant.granularity import ROW, TENSOR, group
from pentanet.quant.scales import absmax, absmean, rms
from pentanet.quant.uniform import Cast, UniformQuantizer


@given(
    grid=st.sampled_from(sorted(GRIDS)),
    shared=st.sampled_from([TENSOR, ROW, group(1), group(3)]),
    rule=st.sampled_from(["absmean", "rms", "absmax"]),
    gradient=st.sampled_from(["identity", "clipped", "trust"]),
    rows=st.integers(1, 6),
    groups=st.integers(1, 5),
    exponent=st.integers(-20, 15),
    seed=st.integers(0, 99),
)
def test_fake_is_what_is_exported(
    grid: str, shared: object, rule: str, gradient: GradientRule, rows: int, groups: int, exponent: int, seed: int
) -> None:
    scale = {"absmean": absmean(0.9), "rms": rms(1.1), "absmax": absmax(GRIDS[grid])}[rule]
    made = UniformQuantizer(GRIDS[grid], shared, scale, gradient)  # type: ignore[arg-type]
    weight = torch.randn(rows, 3 * groups, generator=torch.Generator().manual_seed(seed)) * 10.0**exponent
    codes = made.export(weight)
    assert isinstance(codes, Codes)
    np.testing.assert_array_equal(
        made.fake(weight, 1.0).numpy().view(np.int32), codes.dequantize().view(np.int32), strict=True
    )


def test_a_group_that_does_not_divide_is_a_config_error() -> None:
    made = UniformQuantizer(PENTANARY, group(128), absmean())
    with pytest.raises(ConfigError, match="group of 128 inputs"):
        made.fake(torch.zeros(4, 96), 0.0)
    with pytest.raises(ConfigError, match="group of 128 inputs"):
        made.export(torch.zeros(4, 96))


def test_int8_storage_is_within_half_a_step() -> None:
    weight = torch.randn(16, 96, generator=torch.Generator().manual_seed(0))
    made = UniformQuantizer(GRIDS["int8"], ROW, absmax(GRIDS["int8"]))
    used = made.fake(weight, 0.0)
    assert ((used - weight).abs() <= made.scales(weight)[:, 0] * 0.5001).all()


def test_binary_zero_is_one_level_and_never_none() -> None:
    made = UniformQuantizer(BINARY, ROW, absmean())
    codes = made.export(torch.tensor([[0.0, -0.0, 1.0, -1.0]]))
    assert isinstance(codes, Codes)
    assert codes.levels.tolist() == [[1, 1, 1, -1]]


@pytest.mark.parametrize("dtype", [torch.bfloat16, torch.float32])
def test_cast(dtype: torch.dtype) -> None:
    weight = torch.randn(5, 7, generator=torch.Generator().manual_seed(0)).requires_grad_()
    made = Cast(dtype)
    used = made.fake(weight, 0.0)
    assert used.dtype == torch.float32
    np.testing.assert_array_equal(used.detach().numpy(), made.export(weight))
    np.testing.assert_array_equal(made.export(weight), weight.detach().to(dtype).float().numpy())
    assert np.array_equal(made.export(weight), weight.detach().numpy()) == (dtype == torch.float32)
    (used * 3).sum().backward()
    assert weight.grad is not None
    assert (weight.grad == 3).all()

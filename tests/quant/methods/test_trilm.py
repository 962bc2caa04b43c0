"""TriLM: as many magnitudes as there are shards."""

from __future__ import annotations

import numpy as np
import pytest
import torch

from pentanet.codes import Codes
from pentanet.errors import ConfigError
from pentanet.quant.methods.trilm import TriLMQuantizer


@pytest.mark.parametrize("shards", [1, 2, 3, 6])
def test_no_more_magnitudes_than_shards(shards: int) -> None:
    """The check of SpectraSuite's README: len(set(|w|)) <= 1 + MP."""
    weight = torch.randn(12, 50, generator=torch.Generator().manual_seed(0))
    made = TriLMQuantizer(shards)
    codes = made.export(weight)
    assert isinstance(codes, Codes)
    stored = codes.dequantize()
    assert len(np.unique(np.abs(stored))) == 1 + shards
    np.testing.assert_array_equal(made.fake(weight, 0.5).numpy(), stored)
    size = 12 // shards
    for i in range(shards):  # each shard is what its own device would have made of it
        alone = TriLMQuantizer().export(weight[i * size : (i + 1) * size])
        assert isinstance(alone, Codes)
        np.testing.assert_array_equal(alone.dequantize(), stored[i * size : (i + 1) * size])


def test_epsilon_is_added() -> None:
    codes = TriLMQuantizer().export(torch.full((2, 2), 1e-5))
    assert isinstance(codes, Codes)
    assert codes.scales.item() == pytest.approx(2e-5)


def test_shards_that_do_not_divide() -> None:
    with pytest.raises(ConfigError, match="5 shards do not divide a weight of 12 x 50; choose a divisor of 12"):
        TriLMQuantizer(5).export(torch.ones(12, 50))

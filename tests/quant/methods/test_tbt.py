"""Binary and Ternary Natural Language Generation: what its formulas promise."""

from __future__ import annotations

import numpy as np
import pytest
import torch

from pentanet.codes import Codes
from pentanet.quant import quantizer


def test_uniform_weights_have_a_third_on_each_level() -> None:
    weight = torch.linspace(-1, 1, 30_001)[None]
    codes = quantizer("tbt-ternary").export(weight)
    assert isinstance(codes, Codes)
    assert codes.scales.item() == pytest.approx(4 / 3 / 2, abs=1e-4)
    shares = [count / weight.numel() for count in codes.occupancy().values()]
    assert shares == pytest.approx([1 / 3] * 3, abs=1e-3)
    assert float(np.square(codes.dequantize() - weight.numpy()).mean()) == pytest.approx(1 / 27, abs=1e-4)


def test_binary_is_never_zero() -> None:
    codes = quantizer("tbt-binary").export(torch.tensor([[0.0, -0.0, 3.0, -1.0], [0.0, 0.0, 0.0, 0.0]]))
    assert isinstance(codes, Codes)
    assert codes.levels.tolist() == [[1, 1, 1, -1], [1, 1, 1, 1]]
    assert codes.scales[0].item() == 1.0

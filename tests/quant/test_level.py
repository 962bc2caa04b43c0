"""Levels that are trained by themselves: they begin as packed, and end as written."""

from __future__ import annotations

import numpy as np
import pytest
import torch

from pentanet.codes import Codes
from pentanet.grid import PENTANARY
from pentanet.quant.level import LevelQuantizer


@pytest.mark.parametrize("shape", [(1, 1), (4, 1), (4, 3)], ids=["tensor", "row", "group"])
def test_it_begins_as_packed_and_ends_as_written(shape: tuple[int, int]) -> None:
    rng = np.random.default_rng(0)
    levels = rng.integers(-2, 3, (4, 12)).astype(np.int8)
    scales = rng.uniform(0.01, 1, shape).astype(np.float16).astype(np.float32)
    codes = Codes(levels, scales, PENTANARY)
    made, latent = LevelQuantizer(codes), torch.from_numpy(levels).float()
    assert np.array_equal(made.export(latent).levels, levels)
    assert np.array_equal(made.export(latent).scales, scales)
    with torch.no_grad():
        made.log_step.add_(0.123)
        latent += torch.linspace(-0.9, 0.9, 48).view(4, 12)
    used = made.fake(latent, 1.0).detach().numpy()
    assert np.array_equal(used, made.export(latent).dequantize())


def test_a_step_learns_from_its_levels() -> None:
    codes = Codes(np.array([[2, -1, 0, 1]], np.int8), np.array([[0.5]], np.float32), PENTANARY)
    made, latent = LevelQuantizer(codes), torch.tensor([[2.0, -1.0, 0.0, 1.0]]).requires_grad_()
    made.fake(latent, 0.0).backward(torch.tensor([[1.0, 10.0, 100.0, 1000.0]]))
    assert latent.grad is not None
    assert made.log_step.grad is not None
    assert latent.grad.flatten().tolist() == [0.5, 5.0, 50.0, 500.0]  # a latent weight counts in steps
    assert made.log_step.grad.item() == pytest.approx(0.5 * (2 - 10 + 1000))  # of its logarithm

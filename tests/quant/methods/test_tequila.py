"""Tequila: the dead weights act as a bias, in training as in the file."""

from __future__ import annotations

import numpy as np
import pytest
import torch
import torch.nn.functional as F

from pentanet.codes import Codes
from pentanet.grid import TERNARY
from pentanet.quant.granularity import group
from pentanet.quant.methods.tequila import TequilaQuantizer
from pentanet.quant.scales import absmean
from pentanet.quant.uniform import UniformQuantizer


def weight() -> torch.Tensor:
    return torch.randn(5, 256, generator=torch.Generator().manual_seed(0)).requires_grad_()


def test_by_hand() -> None:
    # Scale 1 (the mean of 0.4, 1.6, 0.25, 1.75): 0.4 and 0.25 are dead, and add lambda times their sum.
    made = TequilaQuantizer(strength=0.5, granularity=group(4))
    codes = made.export(torch.tensor([[0.4, -1.6, -0.25, 1.75]]))
    assert (codes.levels.tolist(), codes.scales.tolist()) == ([[0, -1, 0, 1]], [[1.0]])
    assert codes.bias is not None
    assert codes.bias.tolist() == pytest.approx([0.5 * (0.4 - 0.25)])


def test_the_folded_bias_gives_the_output_of_training() -> None:
    made, latent = TequilaQuantizer(strength=0.1), weight()
    x = torch.randn(7, 256, generator=torch.Generator().manual_seed(1))
    used = made.fake(latent, 0.3)
    codes = made.export(latent)
    assert codes.bias is not None
    folded = F.linear(x, torch.from_numpy(codes.dequantize()), torch.from_numpy(codes.bias))
    assert torch.equal(F.linear(x, used, made.bias(latent, used)), folded)
    # The bias is what the paper writes: the product of ones with lambda * w on the dead weights.
    by_hand = F.linear(torch.ones(256), torch.where(used == 0, 0.1 * latent, 0.0))
    torch.testing.assert_close(made.bias(latent, used), by_hand)


def test_mixed_gradient() -> None:
    """dL/dw = x dL/dY, and lambda * the sum of dL/dY over the tokens on top where w is dead."""
    made, latent = TequilaQuantizer(strength=0.1), weight()
    x = torch.randn(7, 256, generator=torch.Generator().manual_seed(1))
    upstream = torch.randn(7, 5, generator=torch.Generator().manual_seed(2))
    used = made.fake(latent, 0.3)
    F.linear(x, used, made.bias(latent, used)).backward(upstream)
    dead = (used == 0).detach()
    assert 0.2 < dead.float().mean() < 0.4
    assert latent.grad is not None
    expected = upstream.T @ x
    torch.testing.assert_close(latent.grad[~dead], expected[~dead])
    torch.testing.assert_close(latent.grad, expected + 0.1 * upstream.sum(0)[:, None] * dead)


def test_without_strength_it_is_absmean_in_groups() -> None:
    codes = TequilaQuantizer(strength=0.0).export(weight().detach())
    plain = UniformQuantizer(TERNARY, group(128), absmean()).export(weight().detach())
    assert isinstance(plain, Codes)
    np.testing.assert_array_equal(codes.dequantize(), plain.dequantize())
    assert codes.scales.shape == (5, 2)
    assert codes.bias is not None
    assert not codes.bias.any()

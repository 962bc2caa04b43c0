"""Controls of the size of weights: as much smaller, or as large, as they say."""

from __future__ import annotations

import math

import pytest
import torch

from pentanet.codes import Codes
from pentanet.grid import TERNARY
from pentanet.quant import quantizer


def test_shrunk_full_precision_has_the_variance_of_absmean_ternary() -> None:
    weight = torch.randn(256, 256, generator=torch.Generator().manual_seed(0)).requires_grad_()
    forward = quantizer("full-precision-shrunk").fake(weight, 1.0)
    forward.sum().backward()
    used, latent = forward.detach(), weight.detach()
    ternary = quantizer("bitnet-seed").fake(latent, 1.0)
    ratio = float(used.square().mean() / latent.square().mean())
    assert ratio == pytest.approx(0.4395, abs=2e-3)
    assert ratio == pytest.approx(TERNARY.gaussian(math.sqrt(2 / math.pi)).variance, abs=2e-3)
    assert ratio == pytest.approx(float(ternary.square().mean() / latent.square().mean()), abs=5e-3)
    assert torch.corrcoef(torch.stack([used.flatten(), latent.flatten()]))[0, 1] > 0.99999
    assert weight.grad is not None
    assert torch.allclose(weight.grad, torch.full_like(weight, ratio**0.5), rtol=1e-2)


def test_rescaled_ternary_has_the_levels_of_absmean_and_the_size_of_the_latent_weights() -> None:
    weight = torch.randn(64, 96, generator=torch.Generator().manual_seed(1)) * 0.02
    plain, rescaled = quantizer("bitnet-seed").export(weight), quantizer("bitnet-seed-rescaled").export(weight)
    assert isinstance(plain, Codes)
    assert isinstance(rescaled, Codes)
    assert (plain.levels == rescaled.levels).all()
    assert float((rescaled.dequantize() ** 2).mean()) == pytest.approx(float(weight.square().mean()), rel=1e-5)

"""Sherry: three of four, and a residual that is gone at the end."""

from __future__ import annotations

import numpy as np
import pytest
import torch

from pentanet.codes import Codes
from pentanet.errors import ConfigError
from pentanet.quant import ROW, group, quantizer
from pentanet.quant.methods.sherry import SparseTernaryQuantizer, largest_three_of_four


def export(weight: torch.Tensor) -> Codes:
    codes = SparseTernaryQuantizer(ROW).export(weight)
    assert isinstance(codes, Codes)
    return codes


def test_the_example_of_the_paper() -> None:
    assert export(torch.tensor([[0.5, -2.0, 3.0, 1.0]])).dequantize().tolist() == [[0, -2, 2, 2]]


def test_exactly_one_zero_of_four_whatever_the_weights() -> None:
    weight = torch.randn(32, 256, generator=torch.Generator().manual_seed(0))
    weight[0], weight[1], weight[2, ::2], weight[3] = 0.0, 1.0, 0.0, -1.0
    levels = export(weight).levels.reshape(32, -1, 4)
    np.testing.assert_array_equal((levels == 0).sum(-1), 1)


def test_the_smallest_is_dropped_and_the_first_of_equals() -> None:
    size = torch.rand(16, 64, generator=torch.Generator().manual_seed(0))
    kept = largest_three_of_four(size).view(16, 16, 4)
    assert torch.equal(kept.argmin(-1), size.view(16, 16, 4).argmin(-1))
    assert (kept.sum(-1) == 3).all()
    ties = torch.tensor([[1.0, 0, 0, 1, 2, 2, 1, 1, 0, 1, 0, 0, 1, 1, 1, 1]])
    assert largest_three_of_four(ties).tolist() == [[1, 0, 1, 1, 1, 1, 0, 1, 0, 1, 1, 1, 0, 1, 1, 1]]


def test_error_on_gaussian_weights() -> None:
    weight = torch.randn(1, 1 << 18, generator=torch.Generator().manual_seed(0))
    codes = export(weight)
    assert codes.scales.item() == pytest.approx(0.9771, abs=3e-3)
    assert float(np.square(codes.dequantize() - weight.numpy()).mean()) == pytest.approx(0.2846, abs=2e-3)


def test_no_other_scale_is_better() -> None:
    weight = torch.randn(1, 64, generator=torch.Generator().manual_seed(0))
    codes = export(weight)
    best = (codes.levels * weight.numpy()).sum() / np.abs(codes.levels).sum()  # least squares for these levels
    assert codes.scales.item() == pytest.approx(best, rel=1e-6)


def test_arenas() -> None:
    """Q(W) + lam W with gradient 1 + lam: up in the first tenth, then down; not at the end, and not in validation."""
    weight = torch.randn(2, 128, generator=torch.Generator().manual_seed(0)).requires_grad_()
    stored = torch.from_numpy(export_of("sherry", weight).dequantize())
    for progress, lam in ((0.0, 0.0), (0.05, 0.5), (0.1, 1.0), (0.55, 0.5), (1.0, 0.0)):
        made = quantizer("sherry")
        used = made.fake(weight, progress)
        torch.testing.assert_close(used, stored + lam * weight)
        (grad,) = torch.autograd.grad(used.sum(), weight)
        torch.testing.assert_close(grad, torch.full_like(grad, 1 + lam))
        assert torch.equal(made.eval().fake(weight, progress), stored)


def test_the_normalized_mix_keeps_the_size_of_the_weights_and_ends_early() -> None:
    weight = torch.randn(2, 128, generator=torch.Generator().manual_seed(0))
    stored = torch.from_numpy(export_of("sherry-mix", weight).dequantize())
    for progress, lam in ((0.0, 1.0), (0.3, 0.5), (0.6, 0.0), (0.8, 0.0)):
        torch.testing.assert_close(quantizer("sherry-mix").fake(weight, progress), (stored + lam * weight) / (1 + lam))


def export_of(name: str, weight: torch.Tensor) -> Codes:
    codes = quantizer(name).export(weight)
    assert isinstance(codes, Codes)
    return codes


def test_inputs_come_in_fours() -> None:
    with pytest.raises(ConfigError, match="a weight of 2 x 6: 3:4 sparsity needs inputs in fours"):
        export(torch.ones(2, 6))
    with pytest.raises(ConfigError, match="groups of 6 inputs"):
        SparseTernaryQuantizer(group(6)).export(torch.ones(2, 12))

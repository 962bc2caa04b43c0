"""The Hadamard rotation: orthogonal, undone by itself, and worth something where weights have outliers."""

from __future__ import annotations

import numpy as np
import pytest
import torch

from pentanet.codes import Codes
from pentanet.grid import PENTANARY
from pentanet.nn.input_rounding import Hadamard
from pentanet.quant import ROW, UniformQuantizer, quantizer
from pentanet.quant.hadamard import block_size, rotate, signs
from pentanet.quant.methods.quest import RotatedQuantizer
from pentanet.quant.scales import rms_optimal


def normal(*shape: int, seed: int = 0) -> torch.Tensor:
    return torch.randn(*shape, generator=torch.Generator().manual_seed(seed))


def test_signs_are_those_of_the_format() -> None:
    for size in (1, 2, 8, 128):
        parity = [[(i & j).bit_count() % 2 for j in range(size)] for i in range(size)]
        np.testing.assert_array_equal(signs(size), 1 - 2 * np.array(parity))
    np.testing.assert_array_equal(signs(64) @ signs(64), 64 * np.eye(64))


@pytest.mark.parametrize(("cols", "block"), [(384, 128), (96, 32), (40, 8), (7, 1), (64, 64)])
def test_weights_and_inputs_turn_alike(cols: int, block: int) -> None:
    assert block_size(cols) == block
    weight, x = normal(5, cols), normal(2, 3, cols, seed=1)
    turned = rotate(weight)
    full = torch.block_diag(*[torch.tensor(signs(block)) * block**-0.5] * (cols // block))
    torch.testing.assert_close(turned, weight @ full)
    torch.testing.assert_close(Hadamard()(x), x @ full)
    torch.testing.assert_close(rotate(turned), weight)
    torch.testing.assert_close(Hadamard()(x) @ turned.T, x @ weight.T, atol=1e-4, rtol=1e-4)


@pytest.mark.parametrize("precision", [torch.float32, torch.bfloat16])
def test_inputs_turn_and_their_gradient_turns_back(precision: torch.dtype) -> None:
    x, upstream = normal(2, 3, 384).requires_grad_(), normal(2, 3, 384, seed=1)
    full = torch.block_diag(*[torch.tensor(signs(128)) * 128**-0.5] * 3)
    with torch.autocast("cpu", torch.bfloat16, enabled=precision == torch.bfloat16):
        turned = Hadamard()(x)
    assert turned.dtype == precision
    turned.backward(upstream.to(precision))
    assert x.grad is not None
    assert x.grad.dtype == torch.float32
    close = {"rtol": 1e-5, "atol": 1e-5} if precision == torch.float32 else {"rtol": 1e-2, "atol": 5e-2}
    torch.testing.assert_close(turned.float(), (x @ full).detach(), **close)
    torch.testing.assert_close(x.grad, upstream @ full, **close)


@pytest.mark.parametrize("rows", [1, 5])
def test_a_rotation_leaves_its_argument_alone(rows: int) -> None:
    weight = normal(rows, 64)  # one block: its transpose is a view of the same memory
    before, turned = weight.clone(), rotate(weight)
    again = turned.clone()
    torch.testing.assert_close(rotate(turned), before)
    assert torch.equal(weight, before)
    assert torch.equal(turned, again)


def test_the_gradient_is_trusted_in_the_rotated_basis() -> None:
    weight, upstream = normal(6, 256).requires_grad_(), normal(6, 256, seed=1)
    made = RotatedQuantizer(PENTANARY, ROW, rms_optimal(PENTANARY), gradient="trust")
    made.fake(weight, 0.5).backward(upstream)
    turned = rotate(weight.detach())
    used, step = made.fake(weight.detach(), 0.5), made.scale(turned.unsqueeze(1)).squeeze(1)
    trusted = (used - turned).abs() <= step / 2
    assert 0 < trusted.float().mean() < 1
    torch.testing.assert_close(weight.grad, rotate(upstream * trusted))


def error(made: UniformQuantizer, weight: torch.Tensor) -> float:
    """Squared error in units of the variance, in whatever basis."""
    exported = made.export(weight)
    assert isinstance(exported, Codes)
    latent = rotate(weight) if isinstance(made, RotatedQuantizer) else weight
    return float((torch.from_numpy(exported.dequantize()) - latent).square().mean() / weight.square().mean())


def test_outliers_are_spread_and_gaussian_weights_are_not_changed() -> None:
    plain, turned = quantizer("quest-pentanary"), quantizer("quest-hadamard-pentanary")
    assert isinstance(plain, UniformQuantizer) and isinstance(turned, RotatedQuantizer)
    gaussian = normal(64, 1024)
    assert error(turned, gaussian) == pytest.approx(0.0822, abs=2e-3)
    heavy = gaussian * normal(64, 1024, seed=1).abs().square()
    assert error(plain, heavy) > 0.3
    assert error(turned, heavy) < 0.1

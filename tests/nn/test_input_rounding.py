"""Rounding of inputs, against its formulas."""

from __future__ import annotations

import math

import pytest
import torch
from torch import Tensor

from pentanet.nn import QuantLinear, Trainable
from pentanet.nn.input_rounding import Elastic, Int8, input_quantizer


def normal(*shape: int, seed: int = 0) -> Tensor:
    return torch.randn(*shape, generator=torch.Generator().manual_seed(seed))


def test_int8_by_hand() -> None:
    # The largest magnitude of each token is 127 steps; halves go to the even integer.
    x = torch.tensor([[127.0, -1.5, 0.5, 2.5], [-0.254, 0.001, 0.0, 0.254]])
    found = Int8()(x)
    assert found[0].tolist() == [127, -2, 0, 2]
    assert found[1].tolist() == pytest.approx([-0.254, 0, 0, 0.254], abs=1e-6)


def test_int8_of_nothing_and_of_very_little_is_nothing() -> None:
    assert not Int8()(torch.zeros(2, 3)).any()
    assert not Int8()(torch.full((2, 3), 1e-45)).any()


def test_int8_is_the_rounding_of_the_engine() -> None:
    native = pytest.importorskip("pentanet._native", reason="the engine was not compiled")
    import numpy as np

    from pentanet.format import layouts
    from pentanet.grid import GRIDS

    x = normal(5, 64) * torch.tensor([1e-6, 0.1, 1.0, 30.0, 1e6])[:, None]
    eye = np.eye(64, dtype=np.int8)
    codes = layouts.layout("byte").encode(eye, GRIDS["int8"], "eye")
    matrix = native.Matrix.coded(
        codes, np.ones((1, 1), np.float32), layout="byte", lowest=-128, spacing=1, size=256, rows=64, cols=64
    )
    np.testing.assert_array_equal(matrix.apply(x.numpy()), Int8()(x).numpy())


def test_int8_passes_the_gradient_and_keeps_the_type() -> None:
    x = normal(2, 8).requires_grad_()
    Int8()(x).backward(upstream := normal(2, 8, seed=1))
    assert x.grad is not None
    assert torch.equal(x.grad, upstream)
    assert Int8()(x.bfloat16()).dtype == torch.bfloat16


@pytest.mark.parametrize(("bits", "highest"), [(1, 1), (2, 1), (8, 127)])
def test_elastic_levels_start_and_gradient(bits: int, highest: int) -> None:
    x = normal(6, 40).requires_grad_()
    made = Elastic(bits)
    used = made(x)
    step = 2 * x.detach().abs().mean() / math.sqrt(highest)
    assert made.log_step.exp().item() == pytest.approx(step.item(), rel=1e-6)
    levels = used.detach() / step
    assert levels.abs().max() <= highest + 1e-4
    torch.testing.assert_close(levels, levels.round(), atol=1e-3, rtol=0)
    used.backward(upstream := normal(6, 40, seed=1))
    u = x.detach() / step
    inside = u.abs() <= highest
    assert x.grad is not None
    assert torch.equal(x.grad, upstream * inside)
    slope = levels if bits == 1 else torch.where(inside, levels - u, levels)
    of_step = (upstream * slope).sum() / math.sqrt(x.numel() * highest)
    assert made.log_step.grad is not None
    assert made.log_step.grad.item() == pytest.approx((of_step * step).item(), rel=1e-3, abs=1e-5)  # of its logarithm


@pytest.mark.parametrize("bits", [1, 2, 8])
def test_elastic_keeps_the_type_of_autocast_and_divides_in_float32(bits: int) -> None:
    x = normal(6, 40).bfloat16().requires_grad_()
    made, exact = Elastic(bits), Elastic(bits)
    made(x)
    exact.load_state_dict(made.state_dict())
    used = made(x)
    assert used.dtype == torch.bfloat16
    assert torch.equal(used, exact(x.float()).bfloat16())
    used.sum().backward()
    assert x.grad is not None
    assert x.grad.dtype == torch.bfloat16


def test_one_bit_is_never_zero() -> None:
    made = Elastic(1)
    assert made(torch.tensor([[0.0, -0.0, 4.0, -4.0]])).sign().tolist() == [[1, 1, 1, -1]]


def test_a_step_that_was_loaded_is_kept() -> None:
    made = Elastic(2)
    with torch.no_grad():
        made.log_step.fill_(0.0)
    made(normal(3, 5) * 100)
    assert made.log_step.item() == 0.0


def test_which_matrices_round_their_inputs() -> None:
    def kinds(method: str, head: str, activations: str) -> list[type | None]:
        make = Trainable(method, "int8", head, activations)  # type: ignore[arg-type]
        modules = (make.linear(3, 5), make.head(3, 11, None))
        return [None if m.inputs is None else type(m.inputs) for m in modules]

    assert kinds("ternary", "int8", "none") == [None, None]
    assert kinds("ternary", "int8", "int8") == [Int8, Int8]
    assert kinds("ternary", "bfloat16", "int8") == [Int8, None]  # the engine does not round in front of plain values
    assert kinds("full-precision", "int8", "int8") == [None, Int8]
    assert kinds("ternary", "int8", "elastic2") == [Elastic, None]
    assert input_quantizer("none") is None


def test_a_linear_multiplies_rounded_inputs() -> None:
    linear = Trainable("ternary", activations="int8").linear(8, 3)
    assert isinstance(linear, QuantLinear)
    linear.draw(1.0, torch.Generator().manual_seed(0))
    x = normal(2, 8)
    torch.testing.assert_close(linear(x), Int8()(x) @ linear.used_weight().T)
    assert not torch.allclose(linear(x), x @ linear.used_weight().T)

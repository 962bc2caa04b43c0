"""The operators are what torch wants of one, and compute what the reference computes."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest
import torch

from pentanet.codes import Codes
from pentanet.errors import NonFiniteActivationError, ShapeError
from pentanet.format import layouts
from pentanet.grid import GRIDS
from pentanet.kernels import (
    native,
    torch_ops,  # noqa: F401 (registers the operators)
)
from pentanet.nn.input_rounding import Int8

ROWS, COLS = 37, 48


def arguments(layout: str = "pentanary-7bit", grid: str = "pentanary", *, bias: bool = False, **x: Any) -> tuple:
    random = np.random.default_rng(0)
    levels = random.choice(np.array(GRIDS[grid].levels, np.int8), (ROWS, COLS))
    codes = torch.from_numpy(layouts.layout(layout).encode(levels, GRIDS[grid]))
    scales = torch.from_numpy(random.uniform(0.1, 1, (ROWS, 1)).astype(np.float32))
    added = torch.from_numpy(random.normal(size=ROWS).astype(np.float32)) if bias else None
    inputs = torch.from_numpy(random.normal(size=(2, 3, COLS)).astype(np.float32)).requires_grad_(**x)
    return inputs, codes, scales, added, layout, grid, ROWS, COLS


def reference(x: torch.Tensor, codes, scales, bias, layout, grid, rows, cols) -> torch.Tensor:
    levels = layouts.layout(layout).decode(codes.numpy(), GRIDS[grid], rows, cols)
    weight = torch.from_numpy(Codes(levels, scales.numpy(), GRIDS[grid]).dequantize())
    return torch.nn.functional.linear(Int8()(x), weight, bias)


CASES = [
    {},
    {"bias": True},
    {"layout": "byte", "grid": "int8"},
    {"layout": "nibble", "grid": "quaternary"},
    {"layout": "ternary-5in8", "grid": "ternary"},
]


@pytest.mark.parametrize("case", CASES)
@pytest.mark.parametrize("engine", [True, False])
def test_products_and_gradients_are_those_of_the_reference(case, engine, monkeypatch):
    if engine and not native.available():
        pytest.skip("the engine was not compiled")
    monkeypatch.setattr(native, "available", lambda: engine)
    given = arguments(**case)
    found, expected = torch.ops.pentanet.linear(*given), reference(*given)
    torch.testing.assert_close(found, expected, rtol=0, atol=1e-6 * float(expected.detach().abs().max()))
    towards = torch.randn_like(expected)
    (gradient,) = torch.autograd.grad(found, given[0], towards)
    (true,) = torch.autograd.grad(expected, given[0], towards)
    torch.testing.assert_close(gradient, true, rtol=0, atol=1e-6 * float(true.abs().max()))


def test_the_bias_has_a_gradient_too():
    given = list(arguments(bias=True))
    given[3].requires_grad_()
    torch.ops.pentanet.linear(*given).sum().backward()
    assert torch.equal(given[3].grad, torch.full((ROWS,), 6.0))


@pytest.mark.parametrize("requires_grad", [False, True])
def test_torch_approves_of_the_linear(requires_grad):
    given = arguments(bias=True, requires_grad=requires_grad)
    found = torch.library.opcheck(torch.ops.pentanet.linear.default, given)
    assert set(found.values()) == {"SUCCESS"}


def test_torch_approves_of_unpacking():
    _, codes, scales, _, *sizes = arguments()
    found = torch.library.opcheck(torch.ops.pentanet.dequantize.default, (codes, scales, *sizes))
    assert set(found.values()) == {"SUCCESS"}


def test_a_wrong_width_is_named():
    x, *rest = arguments()
    with pytest.raises(ShapeError, match="x has 47 inputs, the matrix 48"):
        torch.ops.pentanet.linear(x[..., :47], *rest)


def test_no_tokens_give_no_products():
    x, *rest = arguments()
    assert torch.ops.pentanet.linear(x[:0], *rest).shape == (0, 3, ROWS)


class Layer(torch.nn.Module):
    """A linear that is the operator."""

    def __init__(self) -> None:
        super().__init__()
        _, codes, scales, _, *self.sizes = arguments()
        self.register_buffer("codes", codes)
        self.register_buffer("scales", scales)

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        return torch.ops.pentanet.linear(x, self.codes, self.scales, None, *self.sizes).relu()


@pytest.mark.slow
def test_compiled_and_exported_graphs_keep_it_as_one_node():
    layer, x = Layer(), arguments(requires_grad=False)[0]
    expected = layer(x)
    compiled = torch.compile(layer, fullgraph=True, backend="aot_eager")
    torch.testing.assert_close(compiled(x), expected)
    exported = torch.export.export(layer, (x,), dynamic_shapes={"x": {0: torch.export.Dim("batch", min=2)}})
    assert [node.target for node in exported.graph.nodes].count(torch.ops.pentanet.linear.default) == 1
    torch.testing.assert_close(exported.module()(torch.cat([x, x])), torch.cat([expected, expected]))


@pytest.mark.parametrize("engine", [True, False])
@pytest.mark.parametrize("bad", [float("nan"), float("inf")])
def test_inputs_that_int8_cannot_hold_are_refused(engine, bad, monkeypatch):
    if engine and not native.available():
        pytest.skip("the engine was not compiled")
    monkeypatch.setattr(native, "available", lambda: engine)
    x, *rest = arguments(requires_grad=False)
    x[1, 2, 7] = bad
    with pytest.raises(NonFiniteActivationError, match="x has a number that is NaN or infinite"):
        torch.ops.pentanet.linear(x, *rest)

"""Packed matrices as operators of torch, which torch.compile and torch.export keep as one node.

Importing this module registers them, as torch wants it:

- `torch.ops.pentanet.linear(x, codes, scales, bias, layout, grid, rows, cols)`: x [..., cols] -> [..., rows].  Each
  token of x is rounded to int8 first (largest magnitude / 127, ties to even), as everywhere in the native engine, and
  sums are exact.  On the CPU the engine multiplies the packed bytes, or torch the unpacked ones if it was not compiled.
- `torch.ops.pentanet.dequantize(codes, scales, layout, grid, rows, cols)`: the float32 weights [rows, cols].

The gradient of x goes straight through the rounding; packed weights have none.
"""

from __future__ import annotations

from typing import Any

import numpy as np
import torch
import torch.nn.functional as F
from torch import Tensor

from pentanet.codes import Codes
from pentanet.errors import CodeError, NonFiniteActivationError, ShapeError
from pentanet.format import layouts
from pentanet.grid import grid as find_grid
from pentanet.kernels import native
from pentanet.nn.input_rounding import input_quantizer

_MATRIX = "Tensor codes, Tensor scales"
_SIZES = "str layout, str grid, int rows, int cols"


def dequantize(codes: Tensor, scales: Tensor, layout: str, grid: str, rows: int, cols: int) -> Tensor:
    """Weights float32 [rows, cols] of packed bytes.

    Raises:
        CodeError: bytes that no encoder writes.
        UnknownNameError: no such layout or grid.
    """
    levels = layouts.layout(layout).decode(codes.numpy(), find_grid(grid), rows, cols)
    return torch.from_numpy(Codes(levels, scales.numpy(), find_grid(grid)).dequantize())


def linear(
    x: Tensor, codes: Tensor, scales: Tensor, bias: Tensor | None, layout: str, grid: str, rows: int, cols: int
) -> Tensor:
    """See the top of the module.

    Raises:
        ShapeError: the last dimension of x is not `cols`.
        NonFiniteActivationError: a number of x is NaN or infinite.
        CodeError, UnknownNameError: as `dequantize`.
    """
    _check(x, cols)
    if not bool(x.isfinite().all()):
        raise NonFiniteActivationError(
            "pentanet::linear: x has a number that is NaN or infinite, which int8 cannot hold: look at the layer before"
        )
    if native.available():
        return _native(x, codes, scales, bias, layout, grid, rows, cols)
    rounding = input_quantizer("int8")
    assert rounding is not None
    weight = dequantize(codes, scales, layout, grid, rows, cols)
    return F.linear(rounding(x.float()), weight, bias).to(x.dtype)


def _native(
    x: Tensor, codes: Tensor, scales: Tensor, bias: Tensor | None, layout: str, grid: str, rows: int, cols: int
) -> Tensor:
    from pentanet._native import Matrix

    levels = find_grid(grid)
    try:
        matrix = Matrix.coded(
            codes.contiguous().numpy(),
            scales.contiguous().numpy(),
            None if bias is None else bias.contiguous().numpy(),
            layout=layout,
            lowest=levels.lowest,
            spacing=levels.spacing,
            size=levels.size,
            rows=rows,
            cols=cols,
            isa=native.instruction_set(),
            threads=torch.get_num_threads(),
        )
    except ValueError as error:
        raise CodeError(f"pentanet::linear: {error}") from None
    tokens = np.ascontiguousarray(x.detach().float().reshape(-1, cols).numpy())
    if not len(tokens):
        return x.new_empty(*x.shape[:-1], rows)
    product = matrix.apply(tokens, threads=torch.get_num_threads())
    return torch.from_numpy(product).reshape(*x.shape[:-1], rows).to(x.dtype)


def _check(x: Tensor, cols: int) -> None:
    if x.shape[-1] != cols:
        raise ShapeError(f"pentanet::linear: x has {x.shape[-1]} inputs, the matrix {cols}")


def _fake_linear(
    x: Tensor, codes: Tensor, scales: Tensor, bias: Tensor | None, layout: str, grid: str, rows: int, cols: int
) -> Tensor:
    del codes, scales, bias, layout, grid
    _check(x, cols)
    return x.new_empty(*x.shape[:-1], rows)


def _fake_dequantize(codes: Tensor, scales: Tensor, layout: str, grid: str, rows: int, cols: int) -> Tensor:
    del codes, layout, grid
    return scales.new_empty(rows, cols)


def _keep(ctx: Any, inputs: tuple[Any, ...], output: Tensor) -> None:
    del output
    _, codes, scales, bias, *ctx.sizes = inputs
    ctx.save_for_backward(codes, scales)
    ctx.has_bias = bias is not None


def _backward(ctx: Any, grad: Tensor) -> tuple[Tensor | None, ...]:
    codes, scales = ctx.saved_tensors
    weight = torch.ops.pentanet.dequantize(codes, scales, *ctx.sizes)
    bias = grad.float().reshape(-1, grad.shape[-1]).sum(0) if ctx.has_bias and ctx.needs_input_grad[3] else None
    return grad @ weight.to(grad.dtype), None, None, bias, None, None, None, None


_LIBRARY = torch.library.Library("pentanet", "DEF")
_LIBRARY.define(f"linear(Tensor x, {_MATRIX}, Tensor? bias, {_SIZES}) -> Tensor")
_LIBRARY.define(f"dequantize({_MATRIX}, {_SIZES}) -> Tensor")
_LIBRARY.impl("linear", linear, "CPU")
_LIBRARY.impl("dequantize", dequantize, "CPU")
torch.library.register_fake("pentanet::linear", _fake_linear, lib=_LIBRARY)
torch.library.register_fake("pentanet::dequantize", _fake_dequantize, lib=_LIBRARY)
torch.library.register_autograd("pentanet::linear", _backward, setup_context=_keep, lib=_LIBRARY)

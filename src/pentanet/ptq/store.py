"""One tensor of a pretrained model as it will be stored."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from typing import Any

import numpy as np
import torch
from torch import Tensor

from pentanet.codes import Codes
from pentanet.families.tensor_table import bias_of
from pentanet.format import layouts
from pentanet.format.tensors import Coded, Plain
from pentanet.grid import GRIDS, NONARY, Grid, grid
from pentanet.ptq.config import QuantizeConfig
from pentanet.ptq.planes import trit_planes
from pentanet.ptq.rtn import round_to_nearest
from pentanet.quant.granularity import ROW
from pentanet.sources.source import Source

BLOCK_WEIGHTS = 1 << 18  # of a matrix are worked on at a time: a few passes stay in the cache


def store(
    source: Source, name: str, config: QuantizeConfig, levels: Grid | None
) -> tuple[Coded | Plain, dict[str, Any]]:
    """A tensor and the facts of it: squared error and squared size.

    Args:
        levels: of a linear that is quantized without calibration; None for other tensors.
    """
    if levels is not None:
        made, found = _coded(source, name, lambda weight: _weight_only(weight, config, levels))
        return Coded(biased(source, name, made.codes), made.layout), found
    if len(source.shapes[name]) == 1:
        return Plain(source.tensor(name).numpy(), "float32"), {}
    if config.embedding == "int8" and not source.table[name].plain:
        return _coded(source, name, lambda weight: round_to_nearest(weight, GRIDS["int8"], ROW))
    dtype = "bfloat16" if config.embedding == "int8" else config.embedding
    return Plain(source.tensor(name).numpy(), dtype), {}


def rounding_errors(source: Source, name: str, config: QuantizeConfig, names: tuple[str, ...]) -> list[float]:
    """|W - Q|^2 / |W|^2 of a matrix, rounded to each of some grids."""
    errors, power = [0.0] * len(names), 0.0
    for weight in row_blocks(source, name):
        power += squared(weight)
        for i, levels in enumerate(names):
            codes = round_to_nearest(weight, grid(levels), config.granularity)
            errors[i] += squared(weight - torch.from_numpy(codes.dequantize()))
    return [error / power if power else 0.0 for error in errors]


def biased(source: Source, name: str, codes: Codes) -> Codes:
    """The codes of a linear, with its bias where the network has one."""
    bias = bias_of(name, source.shapes)
    return codes if bias is None else codes.plus_bias(source.tensor(bias).numpy())


def row_blocks(source: Source, name: str) -> Iterator[Tensor]:
    """The rows of a matrix, some at a time."""
    yield from source.row_blocks(name, max(1, BLOCK_WEIGHTS // source.shapes[name][1]))


def squared(values: Tensor) -> float:
    """Sum of squares, in float64 from rows on."""
    return float(values.square().sum(-1).double().sum())


def _weight_only(weight: Tensor, config: QuantizeConfig, levels: Grid) -> Codes:
    if config.method != "ptqtp":
        return round_to_nearest(weight, levels, config.granularity)
    if config.tied:  # 3 t1 + t2 takes all of -4..4
        return round_to_nearest(weight, NONARY, config.granularity)
    return trit_planes(weight, config.granularity, config.planes)


def _coded(source: Source, name: str, method: Callable[[Tensor], Codes]) -> tuple[Coded, dict[str, Any]]:
    """A matrix, some rows at a time: rows do not depend on each other."""
    rows, start = source.shapes[name][0], 0
    made: Codes | None = None
    error = power = 0.0
    for weight in row_blocks(source, name):
        part = method(weight)
        if made is None:
            # Room for all rows at once: small arrays that outlive a block would tear holes into the heap, which then
            # grows by a block of floats for each of them.
            levels = np.empty((rows, part.levels.shape[1]), np.int8)
            scales = np.empty((rows, part.scales.shape[1]), np.float32)
            made = Codes(levels, scales, part.grid, planes=part.planes)
        stop = start + len(part.levels)
        made.levels[start:stop], made.scales[start:stop] = part.levels, part.scales
        start = stop
        error += squared(weight - torch.from_numpy(part.dequantize()))
        power += squared(weight)
    assert made is not None  # no matrix is without rows
    return Coded(made, layouts.densest_layout(made)), {"grid": made.grid.name, "error": error, "power": power}

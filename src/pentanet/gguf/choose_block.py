"""In which type of llama.cpp a tensor of a packed model goes, and what becomes of its scales.

Levels are always kept.  Scales are float32 here and float16 there: they are rounded to nearest, which moves a weight by
at most 2^-11 of itself, and by nothing where they are float16 already.  A matrix whose scales float16 cannot hold so
well, or whose width or groups no block type divides, goes in float32.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal

import numpy as np
from numpy.typing import NDArray

from pentanet.codes import Codes
from pentanet.gguf.blocks import BLOCKS, BlockType

Ternary = Literal["TQ2_0", "TQ1_0"]
WORST = 2.0**-11  # relative, of rounding to float16 above its smallest normal number


@dataclass(frozen=True, kw_only=True, slots=True, eq=False)
class Stored:
    """A tensor as GGUF holds it.

    Attributes:
        kind: in gguf.GGMLQuantizationType.
        data: float32 or float16 values of its shape, or bytes [rows, bytes per row].
        error: largest relative change of a weight, from rounding scales.
    """

    kind: str
    data: NDArray[np.float32] | NDArray[np.uint8]
    error: float = 0.0


def store(codes: Codes, ternary: Ternary) -> Stored:
    """A coded matrix in the smallest type that holds its levels."""
    rows, cols = codes.shape
    half, error = round_scales(codes)
    if error <= WORST:
        for block in BLOCKS.values():
            if block.name not in {"TQ1_0", "TQ2_0"} - {ternary} and holds(block, codes):
                scales = np.broadcast_to(half, (rows, half.shape[1])).repeat(cols // block.weights // half.shape[1], 1)
                return Stored(kind=block.name, data=block.encode(codes.levels, scales), error=error)
    return Stored(kind="F32", data=codes.dequantize())


def holds(block: BlockType, codes: Codes) -> bool:
    """Whether all levels of the grid fit, and whole blocks into each group that shares a scale."""
    group = codes.shape[1] // codes.scales.shape[1]
    return group % block.weights == 0 and block.lowest <= codes.grid.lowest and codes.grid.highest <= block.highest


def round_scales(codes: Codes) -> tuple[NDArray[np.float16], float]:
    """The scales in float16, and the largest relative error of those that weights other than zero have."""
    with np.errstate(over="ignore"):  # infinity is an error of one or more, as it should be
        half = codes.scales.astype(np.float16)
    rows = codes.shape[0]
    groups = codes.levels.reshape(rows, codes.scales.shape[1], -1).any(axis=2)
    used = groups if len(codes.scales) == rows else groups.any(axis=0, keepdims=True)
    error = np.abs(half.astype(np.float64) - codes.scales) / codes.scales
    return half, float(error[used].max(initial=0.0))

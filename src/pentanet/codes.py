"""A quantized matrix: integer levels, float32 scales, and for some methods a bias.

This is the one thing that quantizers hand to packers.  It is plain numpy, so that packing, inspecting and checking a
model directory needs no torch.
"""

from __future__ import annotations

from dataclasses import dataclass, replace

import numpy as np
from numpy.typing import NDArray

from pentanet.grid import Grid


@dataclass(frozen=True, slots=True, eq=False)
class Codes:
    """Levels of a weight matrix and the scales that turn them back into weights.

    Attributes:
        levels: int8 [rows, cols], every value on `grid`.
        scales: float32, positive and finite: [1, 1] for one scale, [rows, 1] for one per row, or [rows, groups]
            for one per group of `cols / groups` consecutive inputs.
        grid: the set that the levels come from.
        bias: float32 [rows], finite: what a linear adds to each output; None for most methods.
        planes: the weight is the sum of so many matrices, whose levels and scales stand side by side: int8
            [rows, planes * cols] and float32 [rows, planes * groups].
    """

    levels: NDArray[np.int8]
    scales: NDArray[np.float32]
    grid: Grid
    bias: NDArray[np.float32] | None = None
    planes: int = 1

    def __post_init__(self) -> None:
        rows, cols = self.levels.shape
        assert self.levels.dtype == np.int8 and self.scales.dtype == np.float32
        assert self.scales.ndim == 2 and self.scales.shape[0] in (1, rows), self.scales.shape
        assert self.scales.shape[1] == 1 or (self.scales.shape[0] == rows and cols % self.scales.shape[1] == 0)
        assert cols % self.planes == 0 and self.scales.shape[1] % self.planes == 0
        assert self.bias is None or (self.bias.dtype == np.float32 and self.bias.shape == (rows,))

    @property
    def shape(self) -> tuple[int, int]:
        """(rows, cols): outputs and inputs of the linear."""
        rows, cols = self.levels.shape
        return rows, cols // self.planes

    def dequantize(self) -> NDArray[np.float32]:
        """Weights [rows, cols]: one float32 product each, so the result is the same bits on every machine.

        The products of several planes are added in their order.
        """
        rows, cols = self.shape
        groups = self.scales.shape[1]
        levels = self.levels.reshape(rows, groups, self.levels.shape[1] // groups).astype(np.float32)
        first, *others = (levels * self.scales[:, :, None]).reshape(rows, self.planes, cols).swapaxes(0, 1)
        for other in others:
            first = first + other
        return np.ascontiguousarray(first)

    def plus_bias(self, bias: NDArray[np.float32]) -> Codes:
        """The same matrix with a bias [rows], added to the one that it has."""
        return replace(self, bias=bias if self.bias is None else self.bias + bias)

    def occupancy(self) -> dict[int, int]:
        """How many weights stand on each level of the grid."""
        counts = np.bincount(self.levels.ravel().astype(np.int16) + 128, minlength=256)
        return {level: int(counts[level + 128]) for level in self.grid.levels}

"""Matrices and model directories with random levels: speed does not depend on what a model says."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np
from numpy.typing import NDArray

from pentanet.codes import Codes
from pentanet.data.tokenizer import SMALLEST_VOCAB, train_bpe
from pentanet.families.tensor_table import tensor_table
from pentanet.format.layouts import LAYOUTS, TILE_ROWS, Layout, default_layout
from pentanet.format.model_dir import write_model
from pentanet.format.tensors import Coded, Plain, Tensor
from pentanet.grid import GRIDS, PENTANARY, Grid
from pentanet.speed.settings import Shape

if TYPE_CHECKING:
    from pentanet._native import Matrix

_DRAWN = 256  # rows of random levels that are repeated


def matrices(layout: Layout, rows: int, cols: int, nbytes: int, isa: str) -> list[Matrix]:
    """Matrices [rows, cols] of a layout that take at least `nbytes` in memory together.

    One tile of random levels is encoded and repeated: tiles lie one behind the other in every layout.
    """
    from pentanet import _native

    grid = _grid_of(layout)
    drawn = _levels(layout, grid, TILE_ROWS, cols)
    used = layout.packed_size(TILE_ROWS * 64, cols) // 64  # 64 tiles have no padding behind them
    full, rest = divmod(rows, TILE_ROWS)
    one = np.zeros(layout.packed_size(rows, cols), np.uint8)
    one[: full * used] = np.tile(layout.encode(drawn, grid)[:used], full)
    if rest:
        one[full * used : (full + 1) * used] = layout.encode(drawn[:rest], grid)[:used]
    scales = np.full((rows, 1), 1 / cols, np.float32)

    arena = _native.Arena() if _native.huge_pages() else None  # as the engine

    def make() -> Matrix:
        return _native.Matrix.coded(
            one if arena else one.copy(),
            scales,
            layout=layout.name,
            lowest=grid.lowest,
            spacing=grid.spacing,
            size=grid.size,
            rows=rows,
            cols=cols,
            isa=isa,
            arena=arena,
        )

    first = make()
    return [first, *(make() for _ in range(-(-nbytes // first.nbytes) - 1))]


def write(shape: Shape, path: Path) -> None:
    """Write a model directory: pentanary matrices, an int8 embedding and head, scales that keep activations near 1."""
    network = shape.network
    drawn: dict[tuple[str, tuple[int, ...]], Tensor] = {}  # tensors of one shape share their levels
    tensors: dict[str, Tensor] = {}
    for name, entry in tensor_table(network, shape.vocab).items():
        grid = PENTANARY if entry.linear else GRIDS["int8"]
        key = ("plain" if entry.plain else grid.name, entry.shape)
        if key not in drawn:
            gains = Plain(np.ones(entry.shape, np.float32), "float32")
            drawn[key] = gains if entry.plain else _coded(grid, *entry.shape)
        tensors[name] = drawn[key]
    write_model(
        path,
        config=network.hub_config(shape.vocab),
        tensors=tensors,
        method="pentanary",
        tokenizer=train_bpe([], SMALLEST_VOCAB).to_str().encode(),
        card="Random weights, made to measure speed.\n",
    )


def _grid_of(layout: Layout) -> Grid:
    """The largest grid that a layout holds."""
    return max(filter(layout.accepts, GRIDS.values()), key=lambda grid: grid.size)


def _levels(layout: Layout, grid: Grid, rows: int, cols: int) -> NDArray[np.int8]:
    return np.resize(layout.draw(np.random.default_rng(0), grid, min(_DRAWN, rows), cols), (rows, cols))


def _coded(grid: Grid, rows: int, cols: int) -> Coded:
    deviation = float(np.std(np.array(grid.levels))) * cols**0.5
    scales = np.full((rows, 1), 1 / deviation, np.float32)
    name = default_layout(grid)
    return Coded(Codes(_levels(LAYOUTS[name], grid, rows, cols), scales, grid), name)

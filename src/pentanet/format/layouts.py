"""Layouts: how the levels of a matrix [rows, cols] lie in bytes.

All of them share one order, the one that the widest kernel reads in place.  Rows are padded to 16 and inputs to KG; a
tile is 16 rows; in a tile, groups of KG inputs follow each other.  Tile after tile, group after group: one sequential
stream, padded with zero bytes to a multiple of 64.  What a group holds is said by `lanes` and `sparse`;
docs/format.md has the specification.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from pentanet.codes import Codes
from pentanet.errors import CodeError, ShapeError, UnknownNameError, UnpackableError
from pentanet.format import lane_codec as lanes
from pentanet.format.codec import TILE_ROWS, GroupCoder, Place
from pentanet.format.lane_codec import LaneCoder
from pentanet.format.sparse_codec import SparseCoder, is_sparse
from pentanet.grid import Grid

ALIGNMENT = 64
_BLOCK_WEIGHTS = 1 << 20  # work on about this many weights at a time: scratch stays in cache and out of the way


@dataclass(frozen=True, kw_only=True, slots=True)
class Layout:
    """One way to store a coded matrix.

    Attributes:
        name: as written in config.json.
        coder: what a group holds.
        smallest, largest: numbers of levels of the grids that fit.
    """

    name: str
    coder: GroupCoder
    smallest: int
    largest: int

    @property
    def inputs_per_group(self) -> int:
        """KG: inputs that share a group."""
        return self.coder.inputs

    @property
    def bytes_per_group(self) -> int:
        """Bytes of one group of 16 rows x KG inputs."""
        return self.coder.nbytes

    @property
    def bits_per_weight(self) -> float:
        """Bits that a weight takes where no padding is needed."""
        return 8 * self.bytes_per_group / (TILE_ROWS * self.inputs_per_group)

    def accepts(self, grid: Grid) -> bool:
        """Whether matrices on `grid` can be stored."""
        return self.smallest <= grid.size <= self.largest

    def check(self, grid: Grid, cols: int, name: str) -> None:
        """Refuse a matrix that this layout cannot hold, whatever its levels are.

        Raises:
            UnpackableError: another grid, or inputs that do not come in whole blocks.
        """
        if not self.accepts(grid):
            fitting = [layout.name for layout in LAYOUTS.values() if layout.accepts(grid)]
            raise UnpackableError(
                f"tensor '{name}': layout '{self.name}' does not hold the {grid.size} levels of grid '{grid.name}'. "
                f"Use {' or '.join(fitting)}."
            )
        if cols % self.coder.block:
            raise UnpackableError(
                f"tensor '{name}': layout '{self.name}' holds blocks of {self.coder.block} inputs, "
                f"but {cols} is no multiple of {self.coder.block}. Use {default_layout(grid)}."
            )

    def packed_size(self, rows: int, cols: int) -> int:
        """Bytes that a matrix takes, padding included: always a multiple of 64."""
        return _round_up(_ceil_div(rows, TILE_ROWS) * self.tile_bytes(cols), ALIGNMENT)

    def tile_bytes(self, cols: int) -> int:
        """Bytes of 16 rows: tiles follow each other, and zeros after the last one."""
        return self._groups(cols) * self.bytes_per_group

    def draw(self, generator: np.random.Generator, grid: Grid, rows: int, cols: int) -> NDArray[np.int8]:
        """Random levels [rows, cols] that this layout holds, for tests and measurements.

        Raises:
            UnpackableError: see `check`.
        """
        self.check(grid, cols, "drawn")
        return self.coder.draw(generator, grid, rows, cols)

    def encode(self, levels: NDArray[np.int8], grid: Grid, name: str = "") -> NDArray[np.uint8]:
        """Pack a matrix.

        Args:
            levels: int8 [rows, cols], every value on `grid`; at least one row and one column.
            grid: the levels that there are.
            name: the tensor, for messages.

        Returns:
            uint8 [packed_size(rows, cols)].

        Raises:
            UnpackableError: this layout cannot hold the grid, the number of inputs, or a block of levels.
            ShapeError: not a matrix, or an empty one.
            CodeError: a level that is not on the grid.
        """
        if levels.ndim != 2 or 0 in levels.shape or levels.dtype != np.int8:
            raise ShapeError(f"tensor '{name}': expected a non-empty int8 matrix, got {levels.dtype} {levels.shape}")
        rows, cols = levels.shape
        self.check(grid, cols, name)
        out = np.zeros(self.packed_size(rows, cols), np.uint8)
        tile_bytes = self.tile_bytes(cols)
        for first, stop in self._blocks(rows, cols):
            block = levels[first * TILE_ROWS : stop * TILE_ROWS]
            at = Place(tensor=name, layout=self.name, row=first * TILE_ROWS)
            padded = self._pad(_digits(block, grid, at), stop - first, grid)
            out[first * tile_bytes : stop * tile_bytes] = self.coder.pack(padded, grid, at)
        return out

    def decode(self, buffer: NDArray[np.uint8], grid: Grid, rows: int, cols: int, name: str = "") -> NDArray[np.int8]:
        """Unpack a whole matrix: `decode_rows` from 0 to `rows`."""
        return self.decode_rows(buffer, grid, rows, cols, 0, rows, name)

    def decode_rows(
        self, buffer: NDArray[np.uint8], grid: Grid, rows: int, cols: int, start: int, stop: int, name: str = ""
    ) -> NDArray[np.int8]:
        """Unpack rows start..stop-1; reads only the tiles that hold them.

        Args:
            buffer: uint8 [packed_size(rows, cols)], may be a view of a memory-mapped file.
            grid: the levels that there are.
            rows: rows of the whole matrix.
            cols: inputs of the whole matrix.
            start: first row to unpack.
            stop: row after the last one to unpack.
            name: the tensor, for messages.

        Returns:
            int8 [stop - start, cols], every value on `grid`.

        Raises:
            UnpackableError: this layout cannot hold the grid or the number of inputs.
            ShapeError: the buffer has another size than the shape needs, or the rows do not exist.
            CodeError: bytes in the tiles read that no encoder writes.
        """
        self.check(grid, cols, name)
        self._check_buffer(buffer, rows, cols, name)
        if not 0 <= start <= stop <= rows:
            raise ShapeError(f"tensor '{name}': rows {start}..{stop} of {rows} do not exist")
        out = np.empty((stop - start, cols), np.int8)
        tile_bytes = self.tile_bytes(cols)
        for first, last in self._blocks(stop, cols, start):
            top = first * TILE_ROWS
            at = Place(tensor=name, layout=self.name, row=top)
            stream = buffer[first * tile_bytes : last * tile_bytes]
            block = self.coder.unpack(stream, self._groups(cols), grid, at)
            self._check_padding(block, rows - top, cols, grid, at)
            low, high = max(start, top), min(stop, last * TILE_ROWS)
            out[low - start : high - start] = block[low - top : high - top, :cols]
        return out

    def _groups(self, cols: int) -> int:
        return _ceil_div(cols, self.inputs_per_group)

    def _blocks(self, rows: int, cols: int, start: int = 0) -> list[tuple[int, int]]:
        """Ranges of tiles that hold rows start..rows-1, each of about _BLOCK_WEIGHTS weights."""
        step = max(1, _BLOCK_WEIGHTS // (TILE_ROWS * cols))
        first, end = start // TILE_ROWS, _ceil_div(rows, TILE_ROWS)
        return [(tile, min(tile + step, end)) for tile in range(first, end, step)] if start < rows else []

    def _pad(self, digits: NDArray[np.uint8], tiles: int, grid: Grid) -> NDArray[np.uint8]:
        """Whole tiles of whole groups."""
        rows, cols = digits.shape
        shape = (tiles * TILE_ROWS, self._groups(cols) * self.inputs_per_group)
        if digits.shape == shape:
            return digits
        padding = np.array([grid.levels.index(level) for level in self.coder.padding(grid)], np.uint8)
        padded = np.empty(shape, np.uint8)
        padded[:] = np.resize(padding, shape[1])
        padded[:rows, :cols] = digits
        return padded

    def _check_padding(self, block: NDArray[np.int8], rows: int, cols: int, grid: Grid, at: Place) -> None:
        levels = self.coder.padding(grid)
        padding = np.resize(np.array(levels, np.int8), block.shape[1])
        if (block[:, cols:] != padding[cols:]).any() or (block[max(rows, 0) :] != padding).any():
            raise at.damaged(f"padding is not level {' '.join(map(str, levels))}")

    def _check_buffer(self, buffer: NDArray[np.uint8], rows: int, cols: int, name: str) -> None:
        if rows < 1 or cols < 1:
            raise ShapeError(f"tensor '{name}': [{rows}, {cols}] is not the shape of a matrix")
        size = self.packed_size(rows, cols)
        if buffer.dtype != np.uint8 or buffer.shape != (size,):
            raise ShapeError(
                f"tensor '{name}': [{rows}, {cols}] in '{self.name}' takes {size} bytes, "
                f"but there are {buffer.dtype} {list(buffer.shape)}"
            )
        used = _ceil_div(rows, TILE_ROWS) * self.tile_bytes(cols)
        if buffer[used:].any():
            raise CodeError(f"tensor '{name}': the {size - used} bytes after its last group are not all zero")


def _digits(levels: NDArray[np.int8], grid: Grid, at: Place) -> NDArray[np.uint8]:
    """Level indices 0..size-1; bytes wrap, so that anything below the grid lands above it."""
    offset: NDArray[np.uint8] = levels.view(np.uint8) - np.uint8(grid.lowest & 0xFF)
    if grid.spacing == 2:
        offset = (offset >> np.uint8(1)) | (offset << np.uint8(7))  # odd offsets land above the grid too
    if int(offset.max()) >= grid.size:
        row, col = np.argwhere(offset >= grid.size)[0]
        raise CodeError(
            f"tensor '{at.tensor}': level {levels[row, col]} at row {at.row + row}, input {col} "
            f"is not on grid '{grid.name}'"
        )
    return offset


def _ceil_div(a: int, b: int) -> int:
    return -(-a // b)


def _round_up(n: int, to: int) -> int:
    return _ceil_div(n, to) * to


LAYOUTS = {
    layout.name: layout
    for layout in (
        Layout(name="pentanary-7bit", coder=LaneCoder(lane=lanes.PENTANARY, seven_bits=True), smallest=5, largest=5),
        Layout(name="ternary-5in8", coder=LaneCoder(lane=lanes.TERNARY_FRACTION), smallest=3, largest=3),
        Layout(name="ternary-2bit", coder=LaneCoder(lane=lanes.TERNARY_BITS), smallest=3, largest=3),
        Layout(name="sparse-ternary-5bit", coder=SparseCoder(), smallest=3, largest=3),
        Layout(name="binary-1bit", coder=LaneCoder(lane=lanes.BINARY), smallest=2, largest=2),
        Layout(name="nibble", coder=LaneCoder(lane=lanes.NIBBLE), smallest=2, largest=16),
        Layout(name="byte", coder=LaneCoder(lane=lanes.BYTE), smallest=2, largest=256),
    )
}


def layout(name: str) -> Layout:
    """Look a layout up by name.

    Raises:
        UnknownNameError: no such layout; names the nearest one.
    """
    if name not in LAYOUTS:
        raise UnknownNameError("layout", name, LAYOUTS)
    return LAYOUTS[name]


def default_layout(grid: Grid) -> str:
    """Name of the densest layout that the kernels read for any matrix on a grid."""
    by_size = {2: "binary-1bit", 3: "ternary-5in8", 5: "pentanary-7bit"}
    return by_size.get(grid.size, "nibble" if grid.size <= 16 else "byte")


def densest_layout(codes: Codes) -> str:
    """Name of the densest layout for one matrix: `default_layout`, or a sparse one where its zeros allow it."""
    usual, sparse = layout(default_layout(codes.grid)), layout("sparse-ternary-5bit")
    smaller = sparse.packed_size(*codes.shape) < usual.packed_size(*codes.shape)  # not so for 4 inputs: KG is 128
    return sparse.name if sparse.accepts(codes.grid) and smaller and is_sparse(codes.levels) else usual.name

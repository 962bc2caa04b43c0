"""Layouts: how the levels of a matrix [rows, cols] lie in bytes.

All of them share one order, the one that the widest kernel reads in place.  Rows are padded to 16 and inputs to KG; a
tile is 16 rows; in a tile, groups of KG inputs follow each other; in a group, lane 4r+j (r = 0..15, j = 0..3) is a
byte with the levels of row r at inputs 4g+j, g = 0..KG/4-1.  Tile after tile, group after group: one sequential
stream, padded with zero bytes to a multiple of 64.  docs/format.md has the specification.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from pentanet.errors import CodeError, ShapeError, UnknownNameError, UnpackableError
from pentanet.grid import Grid
from pentanet.pack import lanes, sevenbit
from pentanet.pack.lanes import Lane, LaneTables, lane_tables

TILE_ROWS = 16
LANES = 64  # bytes of a group before squeezing: 16 rows x 4
ALIGNMENT = 64
_BLOCK_WEIGHTS = 1 << 20  # work on about this many weights at a time: scratch stays in cache and out of the way


@dataclass(frozen=True, kw_only=True, slots=True)
class Layout:
    """One way to store a coded matrix.

    Attributes:
        name: as written in config.json.
        lane: how levels join to a byte.
        smallest, largest: numbers of levels of the grids that fit.
        seven_bits: lanes are below 128 and stored as 7 bits each.
    """

    name: str
    lane: Lane
    smallest: int
    largest: int
    seven_bits: bool = False

    @property
    def inputs_per_group(self) -> int:
        """KG: inputs that share a group."""
        return 4 * len(self.lane.places)

    @property
    def bytes_per_group(self) -> int:
        """Bytes of one group of 16 rows x KG inputs."""
        return LANES * 7 // 8 if self.seven_bits else LANES

    def accepts(self, grid: Grid) -> bool:
        """Whether matrices on `grid` can be stored."""
        return self.smallest <= grid.size <= self.largest

    def packed_size(self, rows: int, cols: int) -> int:
        """Bytes that a matrix takes, padding included: always a multiple of 64."""
        return _round_up(_ceil_div(rows, TILE_ROWS) * self._groups(cols) * self.bytes_per_group, ALIGNMENT)

    def encode(self, levels: NDArray[np.int8], grid: Grid, name: str = "") -> NDArray[np.uint8]:
        """Pack a matrix.

        Args:
            levels: int8 [rows, cols], every value on `grid`; at least one row and one column.
            grid: the levels that there are.
            name: the tensor, for messages.

        Returns:
            uint8 [packed_size(rows, cols)].

        Raises:
            UnpackableError: this layout cannot hold the grid.
            ShapeError: not a matrix, or an empty one.
            CodeError: a level that is not on the grid.
        """
        tables = self._tables(grid, name)
        if levels.ndim != 2 or 0 in levels.shape or levels.dtype != np.int8:
            raise ShapeError(f"tensor '{name}': expected a non-empty int8 matrix, got {levels.dtype} {levels.shape}")
        rows, cols = levels.shape
        out = np.zeros(self.packed_size(rows, cols), np.uint8)
        tile_bytes = self._groups(cols) * self.bytes_per_group
        for first, stop in self._blocks(rows, cols):
            block = levels[first * TILE_ROWS : stop * TILE_ROWS]
            digits = _digits(block, grid, name, first * TILE_ROWS)
            packed = self._pack_tiles(digits, stop - first, tables, _padding_digit(grid))
            out[first * tile_bytes : stop * tile_bytes] = packed
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
            UnpackableError: this layout cannot hold the grid.
            ShapeError: the buffer has another size than the shape needs, or the rows do not exist.
            CodeError: bytes in the tiles read that no encoder writes.
        """
        tables = self._tables(grid, name)
        self._check_buffer(buffer, rows, cols, name)
        if not 0 <= start <= stop <= rows:
            raise ShapeError(f"tensor '{name}': rows {start}..{stop} of {rows} do not exist")
        out = np.empty((stop - start, cols), np.int8)
        tile_bytes = self._groups(cols) * self.bytes_per_group
        for first, last in self._blocks(stop, cols, start):
            top = first * TILE_ROWS
            block = self._unpack_tiles(buffer[first * tile_bytes : last * tile_bytes], cols, tables, name, top)
            _check_padding(block, rows - top, cols, _padding_level(grid), name)
            low, high = max(start, top), min(stop, last * TILE_ROWS)
            out[low - start : high - start] = block[low - top : high - top, :cols]
        return out

    def _tables(self, grid: Grid, name: str) -> LaneTables:
        if not self.accepts(grid):
            fitting = [layout.name for layout in LAYOUTS.values() if layout.accepts(grid)]
            raise UnpackableError(
                f"tensor '{name}': layout '{self.name}' does not hold the {grid.size} levels of grid '{grid.name}'. "
                f"Use {' or '.join(fitting)}."
            )
        return lane_tables(self.lane, grid)

    def _groups(self, cols: int) -> int:
        return _ceil_div(cols, self.inputs_per_group)

    def _blocks(self, rows: int, cols: int, start: int = 0) -> list[tuple[int, int]]:
        """Ranges of tiles that hold rows start..rows-1, each of about _BLOCK_WEIGHTS weights."""
        step = max(1, _BLOCK_WEIGHTS // (TILE_ROWS * cols))
        first, end = start // TILE_ROWS, _ceil_div(rows, TILE_ROWS)
        return [(tile, min(tile + step, end)) for tile in range(first, end, step)] if start < rows else []

    def _pack_tiles(self, digits: NDArray[np.uint8], tiles: int, tables: LaneTables, padding: int) -> NDArray[np.uint8]:
        rows, cols = digits.shape
        groups, places = self._groups(cols), self.lane.places
        if (rows, cols) != (tiles * TILE_ROWS, groups * self.inputs_per_group):
            padded = np.full((tiles * TILE_ROWS, groups * self.inputs_per_group), padding, np.uint8)
            padded[:rows, :cols] = digits
            digits = padded
        grouped = digits.reshape(tiles, TILE_ROWS, groups, len(places), 4)
        sums = grouped[:, :, :, 0] * np.uint8(places[0])
        for place, value in enumerate(places[1:], 1):
            sums += grouped[:, :, :, place] * np.uint8(value)
        lanes_by_row = np.frombuffer(sums.tobytes().translate(tables.finish), np.uint32)
        by_group = lanes_by_row.reshape(tiles, TILE_ROWS, groups).transpose(0, 2, 1)
        stream = np.ascontiguousarray(by_group).reshape(-1).view(np.uint8)
        return sevenbit.squeeze(stream) if self.seven_bits else stream

    def _unpack_tiles(
        self, stream: NDArray[np.uint8], cols: int, tables: LaneTables, name: str, top: int
    ) -> NDArray[np.int8]:
        groups, digits = self._groups(cols), len(self.lane.places)
        stream = sevenbit.spread(stream) if self.seven_bits else np.ascontiguousarray(stream)
        # The four lanes of a row move as one 32-bit word, which makes the transpose four times cheaper.
        by_row = stream.view(np.uint32).reshape(-1, groups, TILE_ROWS).transpose(0, 2, 1)
        raw = by_row.tobytes()
        bad = raw.translate(tables.refused).find(1)
        if bad >= 0:
            row, lane = divmod(bad, groups * 4)
            first = lane // 4 * self.inputs_per_group + lane % 4
            raise CodeError(
                f"tensor '{name}': row {top + row}, input {first}: {raw[bad]:#04x} is not a code of '{self.name}'. "
                "The file is damaged or was not written by pentanet; pack the model again."
            )
        words = np.empty((by_row.shape[0] * TILE_ROWS, groups, digits), np.uint32)
        for digit, table in enumerate(tables.levels):
            words[:, :, digit] = np.frombuffer(raw.translate(table), np.uint32).reshape(-1, groups)
        return words.view(np.int8).reshape(-1, groups * self.inputs_per_group)

    def _check_buffer(self, buffer: NDArray[np.uint8], rows: int, cols: int, name: str) -> None:
        if rows < 1 or cols < 1:
            raise ShapeError(f"tensor '{name}': [{rows}, {cols}] is not the shape of a matrix")
        size = self.packed_size(rows, cols)
        if buffer.dtype != np.uint8 or buffer.shape != (size,):
            raise ShapeError(
                f"tensor '{name}': [{rows}, {cols}] in '{self.name}' takes {size} bytes, "
                f"but there are {buffer.dtype} {list(buffer.shape)}"
            )
        used = _ceil_div(rows, TILE_ROWS) * self._groups(cols) * self.bytes_per_group
        if buffer[used:].any():
            raise CodeError(f"tensor '{name}': the {size - used} bytes after its last group are not all zero")


def _digits(levels: NDArray[np.int8], grid: Grid, name: str, top: int) -> NDArray[np.uint8]:
    """Level indices 0..size-1; bytes wrap, so that anything below the grid lands above it."""
    offset: NDArray[np.uint8] = levels.view(np.uint8) - np.uint8(grid.lowest & 0xFF)
    if grid.spacing == 2:
        offset = (offset >> np.uint8(1)) | (offset << np.uint8(7))  # odd offsets land above the grid too
    if int(offset.max()) >= grid.size:
        row, col = np.argwhere(offset >= grid.size)[0]
        raise CodeError(
            f"tensor '{name}': level {levels[row, col]} at row {top + row}, input {col} is not on grid '{grid.name}'"
        )
    return offset


def _check_padding(block: NDArray[np.int8], rows: int, cols: int, level: int, name: str) -> None:
    if (block[:, cols:] != level).any() or (block[max(rows, 0) :] != level).any():
        raise CodeError(
            f"tensor '{name}': padding is not level {level}. "
            "The file is damaged or was not written by pentanet; pack the model again."
        )


def _padding_level(grid: Grid) -> int:
    return 0 if grid.has_zero else grid.lowest


def _padding_digit(grid: Grid) -> int:
    return grid.levels.index(_padding_level(grid))


def _ceil_div(a: int, b: int) -> int:
    return -(-a // b)


def _round_up(n: int, to: int) -> int:
    return _ceil_div(n, to) * to


LAYOUTS = {
    layout.name: layout
    for layout in (
        Layout(name="pentanary-7bit", lane=lanes.PENTANARY, smallest=5, largest=5, seven_bits=True),
        Layout(name="ternary-5in8", lane=lanes.TERNARY_FRACTION, smallest=3, largest=3),
        Layout(name="ternary-2bit", lane=lanes.TERNARY_BITS, smallest=3, largest=3),
        Layout(name="binary-1bit", lane=lanes.BINARY, smallest=2, largest=2),
        Layout(name="nibble", lane=lanes.NIBBLE, smallest=2, largest=16),
        Layout(name="byte", lane=lanes.BYTE, smallest=2, largest=256),
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
    """Name of the densest layout that the kernels read for a grid."""
    by_size = {2: "binary-1bit", 3: "ternary-5in8", 5: "pentanary-7bit"}
    return by_size.get(grid.size, "nibble" if grid.size <= 16 else "byte")

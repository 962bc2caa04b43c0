"""Layouts whose groups are 64 lanes, and what one lane means.

A lane is a byte that carries a few digits, one level index each.  Every layout is defined here by how digits join to a
byte; the way back is the inverse of that map, enumerated once per layout and grid.  A byte that no digits join to is
therefore known, and refused, without a rule of its own.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from functools import cache
from itertools import product

import numpy as np
from numpy.typing import NDArray

from pentanet.format import sevenbit
from pentanet.format.codec import TILE_ROWS, Place
from pentanet.grid import Grid

LANES = 64  # of a group: 16 rows x 4


def _plain(value: int, grid: Grid) -> int:
    return value


def _fraction(value: int, grid: Grid) -> int:
    """The value as a fraction of 243, rounded up to 256ths: multiplying by 3 then carries out digit after digit."""
    return (value * 256 + 242) // 243


def _level(value: int, grid: Grid) -> int:
    return (grid.lowest + grid.spacing * value) & 0xFF


@dataclass(frozen=True, kw_only=True, slots=True)
class Lane:
    """How the digits of one byte join.

    Attributes:
        places: place value of each digit, in the order of the inputs.
        finish: maps the sum of digit times place value to the byte.
    """

    places: tuple[int, ...]
    finish: Callable[[int, Grid], int] = _plain


PENTANARY = Lane(places=(1, 5, 25))
TERNARY_FRACTION = Lane(places=(81, 27, 9, 3, 1), finish=_fraction)
TERNARY_BITS = Lane(places=(1, 4, 16, 64))
BINARY = Lane(places=(1, 2, 4, 8, 16, 32, 64, 128))
NIBBLE = Lane(places=(1, 16))
BYTE = Lane(places=(1,), finish=_level)


@dataclass(frozen=True, kw_only=True, slots=True)
class LaneTables:
    """Byte-to-byte tables for `bytes.translate`, which beats numpy's indexing several times.

    Attributes:
        finish: digit sum -> stored byte.
        levels: for each digit, stored byte -> level (as int8).
        refused: stored byte -> 1 if no encoder writes it.
    """

    finish: bytes
    levels: tuple[bytes, ...]
    refused: bytes


@cache
def lane_tables(lane: Lane, grid: Grid) -> LaneTables:
    """Enumerate every combination of digits (at most 256) and note what it becomes."""
    finish, refused = bytearray(256), bytearray(b"\x01" * 256)
    levels = [bytearray(256) for _ in lane.places]
    for digits in product(range(grid.size), repeat=len(lane.places)):
        value = sum(digit * place for digit, place in zip(digits, lane.places, strict=True))
        byte = lane.finish(value, grid)
        assert refused[byte], f"two meanings for byte {byte} on {grid.name}"
        finish[value], refused[byte] = byte, 0
        for table, digit in zip(levels, digits, strict=True):
            table[byte] = grid.levels[digit] & 0xFF
    return LaneTables(finish=bytes(finish), levels=tuple(map(bytes, levels)), refused=bytes(refused))


@dataclass(frozen=True, kw_only=True, slots=True)
class LaneCoder:
    """A group of 64 lanes: see `pentanet.format.codec.GroupCoder`.

    Attributes:
        lane: how levels join to a byte.
        seven_bits: lanes are below 128 and stored as 7 bits each.
    """

    lane: Lane
    seven_bits: bool = False

    @property
    def inputs(self) -> int:
        return 4 * len(self.lane.places)

    @property
    def nbytes(self) -> int:
        return LANES * 7 // 8 if self.seven_bits else LANES

    @property
    def block(self) -> int:
        return 1

    def padding(self, grid: Grid) -> tuple[int, ...]:
        return (0 if grid.has_zero else grid.lowest,)

    def draw(self, generator: np.random.Generator, grid: Grid, rows: int, cols: int) -> NDArray[np.int8]:
        return generator.choice(np.array(grid.levels, np.int8), (rows, cols))

    def pack(self, digits: NDArray[np.uint8], grid: Grid, at: Place) -> NDArray[np.uint8]:
        places = self.lane.places
        grouped = digits.reshape(-1, TILE_ROWS, digits.shape[1] // self.inputs, len(places), 4)
        sums = grouped[:, :, :, 0] * np.uint8(places[0])
        for place, value in enumerate(places[1:], 1):
            sums += grouped[:, :, :, place] * np.uint8(value)
        tiles, _, groups, _ = sums.shape
        lanes_by_row = np.frombuffer(sums.tobytes().translate(lane_tables(self.lane, grid).finish), np.uint32)
        by_group = lanes_by_row.reshape(tiles, TILE_ROWS, groups).transpose(0, 2, 1)
        stream = np.ascontiguousarray(by_group).reshape(-1).view(np.uint8)
        return sevenbit.squeeze(stream) if self.seven_bits else stream

    def unpack(self, stream: NDArray[np.uint8], groups: int, grid: Grid, at: Place) -> NDArray[np.int8]:
        tables = lane_tables(self.lane, grid)
        stream = sevenbit.spread(stream) if self.seven_bits else np.ascontiguousarray(stream)
        # The four lanes of a row move as one 32-bit word, which makes the transpose four times cheaper.
        by_row = stream.view(np.uint32).reshape(-1, groups, TILE_ROWS).transpose(0, 2, 1)
        raw = by_row.tobytes()
        bad = raw.translate(tables.refused).find(1)
        if bad >= 0:
            row, lane = divmod(bad, groups * 4)
            first = lane // 4 * self.inputs + lane % 4
            raise at.damaged(f"row {at.row + row}, input {first}: {raw[bad]:#04x} is not a code of '{at.layout}'")
        words = np.empty((by_row.shape[0] * TILE_ROWS, groups, len(tables.levels)), np.uint32)
        for digit, table in enumerate(tables.levels):
            words[:, :, digit] = np.frombuffer(raw.translate(table), np.uint32).reshape(-1, groups)
        return words.view(np.int8).reshape(-1, groups * self.inputs)

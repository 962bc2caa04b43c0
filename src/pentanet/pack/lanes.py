"""What one byte of a coded tensor means.

A byte ("lane") carries a few digits, one level index each.  Every layout is defined here by how digits join to a
byte; the way back is the inverse of that map, enumerated once per layout and grid.  A byte that no digits join to is
therefore known, and refused, without a rule of its own.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from functools import cache
from itertools import product

from pentanet.grid import Grid


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

"""Every byte of every lane, against the arithmetic that docs/format.md writes down."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from pentanet.format import lane_codec as lanes
from pentanet.format import sevenbit
from pentanet.format.lane_codec import lane_tables
from pentanet.grid import BINARY, GRIDS, PENTANARY, SEPTENARY, TERNARY


def test_pentanary_bytes() -> None:
    tables = lane_tables(lanes.PENTANARY, PENTANARY)
    for byte in range(256):
        assert tables.refused[byte] == (byte >= 125)
        if byte < 125:
            digits = [byte % 5, byte // 5 % 5, byte // 25]
            assert [np.int8(np.uint8(table[byte])) for table in tables.levels] == [digit - 2 for digit in digits]


def test_ternary_fraction_bytes() -> None:
    """Five digits come out of the top of a byte by multiplying with 3, as ggml does it."""
    tables = lane_tables(lanes.TERNARY_FRACTION, TERNARY)
    canonical = {-(-256 * value // 243) for value in range(243)}
    for byte in range(256):
        assert tables.refused[byte] == (byte not in canonical)
        rest, digits = byte, []
        for _ in range(5):
            digits.append(3 * rest >> 8)
            rest = 3 * rest & 0xFF
        if byte in canonical:
            assert [np.int8(np.uint8(table[byte])) for table in tables.levels] == [digit - 1 for digit in digits]
    assert len(canonical) == 243


def test_ternary_bits_bytes() -> None:
    tables = lane_tables(lanes.TERNARY_BITS, TERNARY)
    for byte in range(256):
        digits = [byte >> shift & 3 for shift in (0, 2, 4, 6)]
        assert tables.refused[byte] == (3 in digits)
        if 3 not in digits:
            assert [np.int8(np.uint8(table[byte])) for table in tables.levels] == [digit - 1 for digit in digits]


def test_binary_bytes() -> None:
    tables = lane_tables(lanes.BINARY, BINARY)
    assert not any(tables.refused)
    for byte in range(256):
        bits = [byte >> place & 1 for place in range(8)]
        assert [np.int8(np.uint8(table[byte])) for table in tables.levels] == [2 * bit - 1 for bit in bits]


def test_nibble_bytes() -> None:
    tables = lane_tables(lanes.NIBBLE, SEPTENARY)
    for byte in range(256):
        digits = [byte & 15, byte >> 4]
        assert tables.refused[byte] == (max(digits) >= 7)
        if max(digits) < 7:
            assert [np.int8(np.uint8(table[byte])) for table in tables.levels] == [digit - 3 for digit in digits]


@pytest.mark.parametrize("name", GRIDS)
def test_byte_bytes(name: str) -> None:
    tables = lane_tables(lanes.BYTE, GRIDS[name])
    for byte in range(256):
        level = int(np.int8(np.uint8(byte)))
        assert tables.refused[byte] == (level not in GRIDS[name].levels)
        assert tables.refused[byte] or tables.levels[0][byte] == byte


def test_seven_bits_by_hand() -> None:
    codes = np.array([1, 2, 3, 4, 5, 6, 7, 127], np.uint8)
    word = sum(int(code) << 7 * place for place, code in enumerate(codes))
    assert sevenbit.squeeze(codes).tobytes() == word.to_bytes(7, "little")


@given(st.binary(min_size=8, max_size=80))
def test_seven_bits_round_trip(noise: bytes) -> None:
    codes = [byte & 127 for byte in noise[: len(noise) // 8 * 8]]
    packed = sevenbit.squeeze(np.array(codes, np.uint8))
    whole = sum(code << 7 * place for place, code in enumerate(codes))
    assert packed.tobytes() == whole.to_bytes(len(codes) * 7 // 8, "little")
    assert sevenbit.spread(packed).tolist() == codes

"""The sparse layout: against a slow encoder written from docs/format.md, all bytes, and what it cannot hold."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from numpy.typing import NDArray

from pentanet.errors import CodeError, UnpackableError
from pentanet.format.layouts import LAYOUTS
from pentanet.format.sparse_codec import is_sparse, patterns
from pentanet.grid import PENTANARY, TERNARY

LAYOUT = LAYOUTS["sparse-ternary-5bit"]
PADDING = [0, -1, -1, -1]
GROUP = 320


def draw(seed: int, rows: int, cols: int) -> NDArray[np.int8]:
    """One zero in each block, and signs at random; not with the code's own table."""
    generator = np.random.default_rng(seed)
    levels = generator.choice(np.array([-1, 1], np.int8), (rows, cols // 4, 4))
    np.put_along_axis(levels, generator.integers(4, size=(rows, cols // 4, 1)), 0, 2)
    return levels.reshape(rows, cols)


def code(block: list[int]) -> int:
    """5 bits: the place of the zero, then one bit for each of the others, the first in the lowest."""
    signs = [level for level in block if level != 0]
    assert len(signs) == 3
    return 8 * block.index(0) + sum(1 << place for place, sign in enumerate(signs) if sign > 0)


def slow_encode(levels: NDArray[np.int8]) -> bytes:
    """The specification, a code at a time."""
    rows, cols = levels.shape
    out = b""
    for tile in range(0, rows, 16):
        for first in range(0, cols, 128):
            words = [[0] * 16 for _ in range(5)]
            for row in range(16):
                for block in range(32):
                    at = first + 4 * block
                    inside = tile + row < rows and at < cols
                    number = code(levels[tile + row, at : at + 4].tolist() if inside else PADDING)
                    if block < 30:
                        words[block // 6][row] |= number << 5 * (block % 6)
                    else:  # ten bits from the top of word 0 to the top of word 4
                        for bit in range(5):
                            place = 5 * (block - 30) + bit
                            words[place // 2][row] |= (number >> 4 - bit & 1) << 31 - place % 2
            out += b"".join(word.to_bytes(4, "little") for column in words for word in column)
    return out


@pytest.mark.parametrize(("rows", "cols"), [(1, 4), (16, 128), (17, 132), (35, 300), (8, 512)])
def test_against_the_slow_encoder(rows: int, cols: int) -> None:
    levels = draw(rows, rows, cols)
    packed = LAYOUT.encode(levels, TERNARY)
    assert packed.tobytes() == slow_encode(levels)
    assert np.array_equal(LAYOUT.decode(packed, TERNARY, rows, cols), levels)


def test_all_patterns() -> None:
    """32 different ones, each with one zero, in the order of their codes."""
    assert [code(block) for block in patterns().tolist()] == list(range(32))


@given(st.binary(min_size=GROUP, max_size=GROUP))
def test_every_group_of_bytes_is_a_matrix(noise: bytes) -> None:
    packed = np.frombuffer(noise, np.uint8)
    levels = LAYOUT.decode(packed, TERNARY, 16, 128)
    assert is_sparse(levels)
    assert LAYOUT.encode(levels, TERNARY).tobytes() == noise


def test_golden_bytes() -> None:
    """The first words of a group that must never change: block b of row r has the code (b^2 + 3 r) mod 32."""
    levels = patterns()[(np.arange(32) ** 2 + 3 * np.arange(16)[:, None]) % 32].reshape(16, 128)
    packed = LAYOUT.encode(levels, TERNARY)
    assert packed[:64].tobytes().hex() == GOLDEN_FIRST
    assert packed[256:].tobytes().hex() == GOLDEN_LAST


GOLDEN_FIRST = (
    "20900433831c3639e6a8677f49359945acc1ca8b0f4efc9172da2d96d5665fdc"
    "38f380e29b7fb2e8fe8be32e41141535a4a0467b072d78416ab9a947cd45db8d"
)
GOLDEN_LAST = (
    "20920c53831e3e19e6aa6fdf493791a5acc3c26b0f4cf43172d825f6d56457bc"
    "38f188429b7dba08fe89ebce41161d95a4a24e5b072f70216abba1e7cd47d3ad"
)


def test_padding_is_code_zero() -> None:
    packed = LAYOUT.encode(draw(0, 3, 12), TERNARY)
    words = packed.view("<u4").reshape(5, 16)
    assert not words[:, 3:].any()
    assert not words[1:].any()
    assert not (words[0] >> 15).any()
    for word, row, bit in ((0, 0, 15), (0, 2, 31), (4, 1, 29), (0, 3, 0), (2, 15, 7)):
        damaged = packed.copy()
        damaged.view("<u4").reshape(5, 16)[word, row] |= np.uint32(1 << bit)
        with pytest.raises(CodeError, match="'w': padding is not level 0 -1 -1 -1"):
            LAYOUT.decode(damaged, TERNARY, 3, 12, "w")


@pytest.mark.parametrize("block", [[0, 0, 1, 1], [1, 1, 1, 1], [-1, 1, -1, 1], [0, 0, 0, 0], [0, 1, 0, 0]])
def test_other_blocks_are_refused_with_their_place(block: list[int]) -> None:
    levels = draw(0, 40, 260)
    levels[37, 132:136] = block
    assert not is_sparse(levels)
    shown = " ".join(map(str, block))
    with pytest.raises(UnpackableError, match=rf"'w': row 37, inputs 132\.\.135 are {shown}, .* Use ternary-5in8"):
        LAYOUT.encode(levels, TERNARY, "w")


def test_whole_blocks_only() -> None:
    with pytest.raises(UnpackableError, match=r"'w': .* blocks of 4 inputs, but 6 .* Use ternary-5in8"):
        LAYOUT.encode(np.zeros((2, 6), np.int8), TERNARY, "w")
    with pytest.raises(UnpackableError, match="blocks of 4"):
        LAYOUT.decode(np.zeros(GROUP, np.uint8), TERNARY, 2, 6, "w")
    assert not is_sparse(draw(0, 2, 8)[:, :6])


def test_other_grids_are_refused() -> None:
    with pytest.raises(UnpackableError, match="5 levels"):
        LAYOUT.encode(draw(0, 2, 8), PENTANARY)


def test_the_example_of_the_specification() -> None:
    """docs/format.md works these words out by hand."""
    levels = np.tile(np.array(PADDING, np.int8), (16, 32))
    levels[0, :12] = [1, 0, -1, 1, -1, -1, 0, -1, 1, 1, 1, 0]
    levels[0, 120:] = [-1, 1, 0, 1, 1, -1, 1, 0]
    words = LAYOUT.encode(levels, TERNARY).view("<u4").reshape(5, 16)
    assert not words[:, 1:].any()
    expected = [f"{word:08x}" for word in words[:, 0].tolist()]
    text = (Path(__file__).parents[2] / "docs" / "format.md").read_text()
    assert " ".join(expected) in text

"""Whole matrices: against a slow encoder written from docs/format.md, and every byte that no encoder writes."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from numpy.typing import NDArray

from pentanet.codes import Codes
from pentanet.errors import CodeError, ShapeError, UnknownNameError, UnpackableError
from pentanet.format import layouts
from pentanet.format.layouts import LAYOUTS
from pentanet.grid import GRIDS, PENTANARY, TERNARY, Grid

PAIRS = [(layout, grid) for layout in LAYOUTS for grid in GRIDS if LAYOUTS[layout].accepts(GRIDS[grid])]
every_pair = pytest.mark.parametrize(("layout", "grid"), PAIRS)
LANE_PAIRS = [pair for pair in PAIRS if not pair[0].startswith("sparse")]  # tests/pack/test_sparse.py has the others
every_lane_pair = pytest.mark.parametrize(("layout", "grid"), LANE_PAIRS)
DIGITS = {"pentanary-7bit": 3, "ternary-5in8": 5, "ternary-2bit": 4, "binary-1bit": 8, "nibble": 2, "byte": 1}


def draw(seed: int, layout: str, grid: Grid, rows: int, cols: int) -> NDArray[np.int8]:
    return LAYOUTS[layout].draw(np.random.default_rng(seed), grid, rows, cols)


def whole(layout: str, cols: int) -> int:
    """The next number of inputs that makes whole blocks."""
    return -(-cols // LAYOUTS[layout].coder.block) * LAYOUTS[layout].coder.block


@every_lane_pair
def test_draws_every_level(layout: str, grid: str) -> None:
    drawn = draw(0, layout, GRIDS[grid], 100, 100)
    assert np.array_equal(np.unique(drawn), GRIDS[grid].levels)


def lane_byte(layout: str, digits: list[int], grid: Grid) -> int:
    """One lane, digit by digit."""
    match layout:
        case "pentanary-7bit":
            return digits[0] + 5 * digits[1] + 25 * digits[2]
        case "ternary-5in8":
            value = 0
            for digit in digits:
                value = 3 * value + digit
            return -(-256 * value // 243)
        case "ternary-2bit":
            return sum(digit << 2 * place for place, digit in enumerate(digits))
        case "binary-1bit":
            return sum(digit << place for place, digit in enumerate(digits))
        case "nibble":
            return digits[0] | digits[1] << 4
        case _:
            return grid.levels[digits[0]] & 0xFF


def slow_encode(layout: str, levels: NDArray[np.int8], grid: Grid) -> bytes:
    """The specification, a weight at a time."""
    rows, cols = levels.shape
    group = 4 * DIGITS[layout]
    padding = 0 if 0 in grid.levels else grid.lowest
    out = b""
    for tile in range(0, rows, 16):
        for first in range(0, cols, group):
            lanes = []
            for row in range(tile, tile + 16):
                for lane in range(4):
                    inputs = range(first + lane, first + group, 4)
                    values = [int(levels[row, i]) if row < rows and i < cols else padding for i in inputs]
                    lanes.append(lane_byte(layout, [grid.levels.index(value) for value in values], grid))
            if layout == "pentanary-7bit":
                out += sum(lane << 7 * place for place, lane in enumerate(lanes)).to_bytes(56, "little")
            else:
                out += bytes(lanes)
    return out + bytes(-len(out) % 64)


@every_pair
def test_every_tail(layout: str, grid: str) -> None:
    """Every number of inputs up to two groups, every number of rows around one tile and two."""
    coder, levels_of = LAYOUTS[layout], GRIDS[grid]
    block = coder.coder.block
    for cols in range(block, 2 * coder.inputs_per_group + 2 * block, block):
        for rows in (1, 15, 16, 17) if cols > 3 * block else range(1, 34):
            levels = draw(cols, layout, levels_of, rows, cols)
            packed = coder.encode(levels, levels_of)
            assert packed.size == coder.packed_size(rows, cols)
            assert np.array_equal(coder.decode(packed, levels_of, rows, cols), levels)


@every_lane_pair
@pytest.mark.parametrize(("rows", "cols"), [(1, 1), (16, 32), (17, 41), (35, 64)])
def test_against_the_slow_encoder(layout: str, grid: str, rows: int, cols: int) -> None:
    levels = draw(rows, layout, GRIDS[grid], rows, cols)
    assert LAYOUTS[layout].encode(levels, GRIDS[grid]).tobytes() == slow_encode(layout, levels, GRIDS[grid])


@every_lane_pair
def test_every_byte(layout: str, grid: str) -> None:
    """Each of 256 bytes in each of 64 lanes: taken if some digits make it, refused with its place if not."""
    coder, levels_of = LAYOUTS[layout], GRIDS[grid]
    digits, cols = DIGITS[layout], coder.inputs_per_group
    makes = {
        lane_byte(layout, [number // levels_of.size**place % levels_of.size for place in range(digits)], levels_of)
        for number in range(levels_of.size**digits)
    }
    zeros = np.full((16, cols), 0 if levels_of.has_zero else levels_of.lowest, np.int8)
    good = coder.encode(zeros, levels_of)
    seven_bits = layout == "pentanary-7bit"
    for byte in range(128 if seven_bits else 256):
        for lane in (0, 1, 6, 31, 63):
            packed = _with_lane(good, lane, byte, seven_bits=seven_bits)
            if byte in makes:
                assert np.array_equal(coder.encode(coder.decode(packed, levels_of, 16, cols), levels_of), packed)
            else:
                with pytest.raises(CodeError, match=f"'w': row {lane // 4}, input {lane % 4}: {byte:#04x}"):
                    coder.decode(packed, levels_of, 16, cols, "w")


@every_lane_pair
def test_padding_is_canonical(layout: str, grid: str) -> None:
    """One row and one input less than there is room for: their places hold the padding level and nothing else."""
    coder, levels_of = LAYOUTS[layout], GRIDS[grid]
    cols = coder.inputs_per_group
    levels = np.full((16, cols), levels_of.highest, np.int8)
    packed = coder.encode(levels, levels_of)
    assert np.array_equal(coder.decode(packed, levels_of, 16, cols), levels)
    with pytest.raises(CodeError, match="padding"):
        coder.decode(packed, levels_of, 15, cols)
    if cols > 4:
        with pytest.raises(CodeError, match="padding"):
            coder.decode(packed, levels_of, 16, cols - 1)


def test_bytes_after_the_last_group_are_zero() -> None:
    coder = LAYOUTS["pentanary-7bit"]
    packed = coder.encode(draw(0, coder.name, PENTANARY, 16, 12), PENTANARY)
    assert (packed.size, packed[56:].tolist()) == (64, [0] * 8)
    for place in range(56, 64):
        damaged = packed.copy()
        damaged[place] = 1
        with pytest.raises(CodeError, match="8 bytes after"):
            coder.decode(damaged, PENTANARY, 16, 12)


GOLDEN = {
    ("pentanary-7bit", "pentanary"): "a328f029846bd361497e718e0954095928398a029f42b8361d96e417e7984095"
    "908592a328f029846bd361497e718e0954095928398a029f0000000000000000",
    ("ternary-5in8", "ternary"): "3ba7763b62b1f662e22713e23ba7763b62b1f662e22713e23ba7763b62b1f662"
    "e22713e23ba7763b62b1f662e22713e23ba7763b62b1f662e22713e23ba7763b",
    ("ternary-2bit", "ternary"): "0869450851829a51a61420a60869450851829a51a61420a60869450851829a51"
    "a61420a60869450851829a51a61420a60869450851829a51a61420a608694508",
    ("binary-1bit", "binary"): "aa55aa5555aa55aaaa55aa5555aa55aaaa55aa5555aa55aaaa55aa5555aa55aa"
    "aa55aa5555aa55aaaa55aa5555aa55aaaa55aa5555aa55aaaa55aa5555aa55aa",
    ("nibble", "septenary"): "3051241241623523520346346314504504256156153602602640130130512412"
    "4162352352034634631450450425615615360260264013013051241241623523",
    ("byte", "int8"): "808184898182858a8283868b8384878c8485888d8586898e86878a8f87888b90"
    "88898c91898a8d928a8b8e938b8c8f948c8d90958d8e91968e8f92978f909398",
}


@pytest.mark.parametrize(("layout", "grid"), GOLDEN)
def test_golden_bytes(layout: str, grid: str) -> None:
    """Bytes of one group that must never change: row r, input i has the digit (i^2 + r + i/4) mod size."""
    levels_of, cols = GRIDS[grid], 4 * DIGITS[layout]
    levels = [[levels_of.levels[(i * i + r + i // 4) % levels_of.size] for i in range(cols)] for r in range(16)]
    packed = LAYOUTS[layout].encode(np.array(levels, np.int8), levels_of)
    assert packed.tobytes().hex() == GOLDEN[layout, grid]


@every_pair
@settings(max_examples=15, deadline=None)
@given(data=st.data())
def test_round_trip(layout: str, grid: str, data: st.DataObject) -> None:
    coder, levels_of = LAYOUTS[layout], GRIDS[grid]
    rows, cols = data.draw(st.integers(1, 70)), whole(layout, data.draw(st.integers(1, 300)))
    levels = draw(data.draw(st.integers(0, 2**32)), layout, levels_of, rows, cols)
    packed = coder.encode(levels, levels_of)
    start = data.draw(st.integers(0, rows))
    stop = data.draw(st.integers(start, rows))
    assert np.array_equal(coder.decode_rows(packed, levels_of, rows, cols, start, stop), levels[start:stop])


@pytest.mark.parametrize("layout", LAYOUTS)
def test_blocks_make_no_difference(layout: str, monkeypatch: pytest.MonkeyPatch) -> None:
    coder = LAYOUTS[layout]
    grid = next(grid for grid in GRIDS.values() if coder.accepts(grid))
    levels = draw(3, layout, grid, 100, 52)
    packed = coder.encode(levels, grid)
    monkeypatch.setattr(layouts, "_BLOCK_WEIGHTS", 16 * 52 * 2)  # two tiles at a time
    assert np.array_equal(coder.encode(levels, grid), packed)
    assert np.array_equal(coder.decode_rows(packed, grid, 100, 52, 7, 93), levels[7:93])


def test_reads_only_the_tiles_asked_for() -> None:
    coder = LAYOUTS["pentanary-7bit"]
    levels = draw(0, coder.name, PENTANARY, 48, 24)
    packed = coder.encode(levels, PENTANARY)
    packed[112:336] = 0xFF  # 112 bytes are one tile
    assert np.array_equal(coder.decode_rows(packed, PENTANARY, 48, 24, 3, 16), levels[3:16])
    with pytest.raises(CodeError):
        coder.decode_rows(packed, PENTANARY, 48, 24, 3, 17)


def test_transposed_input() -> None:
    levels = draw(0, "pentanary-7bit", PENTANARY, 40, 30)
    packed = LAYOUTS["pentanary-7bit"].encode(np.asfortranarray(levels), PENTANARY)
    assert np.array_equal(packed, LAYOUTS["pentanary-7bit"].encode(levels, PENTANARY))


@every_pair
def test_levels_off_the_grid(layout: str, grid: str) -> None:
    levels_of = GRIDS[grid]
    for level in set(range(-128, 128)) - set(levels_of.levels):
        levels = np.full((3, 8), levels_of.highest, np.int8)
        levels[1, 4] = level
        with pytest.raises(CodeError, match=f"'w': level {level} at row 1, input 4 is not"):
            LAYOUTS[layout].encode(levels, levels_of, "w")


def test_wrong_grid_names_the_layouts_that_fit() -> None:
    with pytest.raises(UnpackableError, match="Use ternary-5in8 or ternary-2bit or sparse-ternary-5bit or nibble or"):
        LAYOUTS["pentanary-7bit"].encode(draw(0, "byte", TERNARY, 2, 2), TERNARY, "w")
    with pytest.raises(UnpackableError, match="'w'"):
        LAYOUTS["binary-1bit"].decode(np.zeros(64, np.uint8), TERNARY, 1, 1, "w")


@pytest.mark.parametrize(
    "levels", [np.zeros((0, 3), np.int8), np.zeros((3, 0), np.int8), np.zeros(3, np.int8), np.zeros((2, 2), np.int16)]
)
def test_not_a_matrix(levels: NDArray[np.int8]) -> None:
    with pytest.raises(ShapeError, match="'w': expected"):
        LAYOUTS["byte"].encode(levels, PENTANARY, "w")


def test_wrong_sizes() -> None:
    coder = LAYOUTS["ternary-2bit"]
    packed = coder.encode(draw(0, coder.name, TERNARY, 20, 20), TERNARY)
    for buffer in (
        packed[:-1],
        packed[64:],
        np.concatenate([packed, packed]),
        packed.reshape(-1, 64),
        packed.view("i1"),
    ):
        with pytest.raises(ShapeError, match="takes 256 bytes"):
            coder.decode(buffer, TERNARY, 20, 20)
    for rows, cols in ((0, 4), (4, 0), (-1, 4)):
        with pytest.raises(ShapeError, match="not the shape"):
            coder.decode(packed, TERNARY, rows, cols)
    for start, stop in ((-1, 3), (3, 2), (0, 21)):
        with pytest.raises(ShapeError, match="do not exist"):
            coder.decode_rows(packed, TERNARY, 20, 20, start, stop)
    assert coder.decode_rows(packed, TERNARY, 20, 20, 5, 5).shape == (0, 20)


@pytest.mark.parametrize(
    ("layout", "bits"),
    [
        ("pentanary-7bit", 7 / 3),
        ("ternary-5in8", 1.6),
        ("ternary-2bit", 2),
        ("sparse-ternary-5bit", 1.25),
        ("binary-1bit", 1),
        ("nibble", 4),
        ("byte", 8),
    ],
)
def test_bits_per_weight(layout: str, bits: float) -> None:
    side = 16 * 15 * 8  # a whole number of groups in every layout
    assert 8 * LAYOUTS[layout].packed_size(side, side) / side**2 == pytest.approx(bits)


def test_default_layouts() -> None:
    assert [
        layouts.default_layout(GRIDS[name]) for name in ("binary", "ternary", "pentanary", "septenary", "int8")
    ] == [
        "binary-1bit",
        "ternary-5in8",
        "pentanary-7bit",
        "nibble",
        "byte",
    ]
    assert all(layouts.layout(layouts.default_layout(grid)).accepts(grid) for grid in GRIDS.values())


def test_densest_layouts() -> None:
    """1.25 bits where all blocks are sparse and the matrix fills its groups, as a layout is chosen without looking."""

    def densest(levels: NDArray[np.int8], grid: str) -> str:
        return layouts.densest_layout(Codes(levels, np.ones((1, 1), np.float32), GRIDS[grid]))

    sparse = draw(0, "sparse-ternary-5bit", TERNARY, 40, 256)
    assert densest(sparse, "ternary") == "sparse-ternary-5bit"
    assert densest(sparse, "int2") == "nibble"
    assert densest(sparse[:, 1:], "ternary") == densest(sparse[:, 2:-2], "ternary") == "ternary-5in8"
    assert densest(sparse[:, :40], "ternary") == "ternary-5in8"  # two groups of 64 bytes, not one of 320
    assert densest(sparse[:, :128], "ternary") == "sparse-ternary-5bit"
    for spoilt in (0, 1):
        levels = sparse.copy()
        levels[39, 252:] = spoilt
        assert densest(levels, "ternary") == "ternary-5in8"
    assert densest(draw(0, "byte", PENTANARY, 9, 128), "pentanary") == "pentanary-7bit"


def test_unknown_layout() -> None:
    with pytest.raises(UnknownNameError, match="Did you mean 'nibble'"):
        layouts.layout("nible")


def _with_lane(packed: NDArray[np.uint8], lane: int, byte: int, *, seven_bits: bool) -> NDArray[np.uint8]:
    changed = packed.copy()
    if seven_bits:
        word = int.from_bytes(packed[:56].tobytes(), "little")
        word = word & ~(127 << 7 * lane) | byte << 7 * lane
        changed[:56] = np.frombuffer(word.to_bytes(56, "little"), np.uint8)
    else:
        changed[lane] = byte
    return changed


def test_the_example_of_the_specification() -> None:
    """docs/format.md works these bytes out by hand."""
    levels = np.zeros((16, 12), np.int8)
    levels[0] = [-2, -1, 0, 1, 2, 1, 0, -1, 0, 0, 2, -2]
    expected = bytes.fromhex("46211ce1f3f97c") + 7 * bytes.fromhex("3e9fcfe7f3f97c") + bytes(8)
    assert LAYOUTS["pentanary-7bit"].encode(levels, PENTANARY).tobytes() == expected
    text = (Path(__file__).parents[2] / "docs" / "format.md").read_text()
    assert all(row.hex(" ") in text for row in (expected[:7], expected[7:14]))

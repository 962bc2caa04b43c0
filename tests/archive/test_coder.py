"""The native coder against a naive one, bit for bit; against the entropy; and what it refuses."""

from __future__ import annotations

import contextlib
import math

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from hypothesis.extra.numpy import arrays
from naive_archive_coder import decode as naive_decode
from naive_archive_coder import encode as naive_encode
from naive_archive_coder import head

from pentanet.archive.coder import LARGEST, decode, encode
from pentanet.errors import ArchiveError

pytest.importorskip("pentanet._native", reason="the engine was not compiled")

FLAGS = [(rows, columns) for rows in (False, True) for columns in (False, True)]
SHAPES = st.tuples(st.integers(1, 6), st.integers(1, 70))
INTEGERS = st.one_of(st.integers(-2, 2), st.integers(-300, 300), st.integers(-LARGEST, LARGEST))


def same(levels, context, rows, columns):
    data = encode(levels, context=context, rows=rows, columns=columns)
    depth, lowest, *flags, _ = head(data)
    assert flags == [rows, columns]
    assert data == naive_encode(levels, depth, lowest, context=context, rows=rows, columns=columns)
    assert (naive_decode(data, levels.shape, context=context) == levels).all()
    found = decode(data, levels.shape, np.int64, context=context)
    assert (found == levels).all()


@settings(max_examples=60, deadline=None)
@given(st.data(), SHAPES, st.sampled_from(FLAGS), st.booleans())
def test_the_bytes_are_those_of_the_naive_coder(data, shape, flags, with_context):
    levels = data.draw(arrays(np.int64, shape, elements=INTEGERS))
    context = data.draw(arrays(np.uint8, shape, elements=st.integers(0, 5))) if with_context else None
    same(levels, context, *flags)


@pytest.mark.slow
def test_two_lanes():
    """Few integers that say something: the naive coder takes the square of their number."""
    levels = (np.random.default_rng(0).random((1025, 257)) < 0.001).astype(np.int64)
    same(levels, None, rows=True, columns=False)


def test_the_bytes_of_a_release_are_those_of_the_next():
    levels = np.array([[-2, -1, 0, 1, 2, 0], [0, 1, 0, 9, -70_000, 1]])
    assert encode(levels, rows=True, columns=True).hex() == "3409c4702e3fcd8b1e1348e325"


def kt_bits(levels):
    """Bits of the adaptive order-0 code of Krichevsky and Trofimov, by its product of fractions."""
    counts = np.unique(levels, return_counts=True)[1].tolist()
    alphabet, total = len(counts), sum(counts)
    inside = sum(math.lgamma(n + 0.5) - math.lgamma(0.5) for n in counts)
    return -(inside + math.lgamma(alphabet / 2) - math.lgamma(total + alphabet / 2)) / math.log(2)


GRIDS = {"binary": 1, "ternary": 1, "pentanary": 2, "nonary": 4, "int8": 127}


@pytest.mark.parametrize(("grid", "limit"), GRIDS.items())
def test_a_matrix_takes_its_entropy(grid, limit):
    random = np.random.default_rng(1)
    scale = {"int8": 32}.get(grid, 0.5 * limit + 0.3)
    levels = random.normal(0, scale, (2000, 576)).round().clip(-limit, limit).astype(np.int8)
    if grid == "binary":
        levels = np.where(random.random(levels.shape) < 0.4, 1, -1).astype(np.int8)
    assert 8 * len(encode(levels)) < 1.001 * kt_bits(levels)


def test_unlimited_integers_of_an_entropy_coded_grid():
    """Laplacian integers, whose tails no window holds: within 2 % of their entropy all the same."""
    levels = np.random.default_rng(2).laplace(0, 90, (600, 500)).round().astype(np.int64)
    levels[::100, ::100] *= 10**9
    data = encode(levels)
    assert 8 * len(data) < 1.02 * kt_bits(levels)
    assert (decode(data, levels.shape, np.int64) == levels).all()


def test_columns_and_rows_of_unlike_size_take_less_than_order_0():
    random = np.random.default_rng(3)
    normal = random.normal(size=(800, 512))
    for name, spread in (("columns", np.exp(random.normal(size=512) / 2)), ("rows", np.ones(512))):
        rows = np.exp(random.normal(size=(800, 1)) / 2) if name == "rows" else 1
        levels = (normal * spread * rows).round().clip(-2, 2).astype(np.int8)
        plain, adapted = encode(levels), encode(levels, **{name: True})
        assert len(adapted) < 0.97 * len(plain) < 0.97 * 1.001 * kt_bits(levels) / 8


def test_a_context_that_tells_something_is_used():
    random = np.random.default_rng(4)
    context = random.integers(0, 5, (300, 300)).astype(np.uint8)
    levels = (context + (random.random(context.shape) < 0.1)).astype(np.int8)
    assert len(encode(levels, context=context)) < 0.3 * len(encode(levels))
    assert (decode(encode(levels, context=context), levels.shape, np.int8, context=context) == levels).all()


@pytest.mark.parametrize("dtype", [np.int8, np.uint8, np.int16, np.uint32, np.int64, ">i4"])
def test_every_integer_type(dtype):
    levels = np.arange(120).astype(dtype).reshape(8, 15).T
    assert (decode(encode(levels), (15, 8), np.int64) == levels).all()


@pytest.mark.parametrize("shape", [(1, 1), (1, 100), (100, 1)])
def test_one_integer_repeated_takes_nearly_nothing(shape):
    levels = np.full(shape, 7, np.int8)
    data = encode(levels)
    assert len(data) <= 5
    assert (decode(data, shape, np.int8) == levels).all()


# -- what is refused ------------------------------------------------------------------------------------------------


def test_integers_that_are_too_large():
    for value in (LARGEST + 1, -LARGEST - 1, np.iinfo(np.int64).min):
        with pytest.raises(ArchiveError, match=r"cannot be archived: an integer beyond 2\^60"):
            encode(np.array([[value]], np.int64))


def test_a_context_of_another_size():
    with pytest.raises(ArchiveError, match="context"):
        encode(np.zeros((2, 2), np.int8), context=np.zeros((2, 1), np.uint8))
    with pytest.raises(ArchiveError, match="context"):
        decode(encode(np.zeros((2, 2), np.int8)), (2, 2), np.int8, context=np.zeros((4, 2), np.uint8))


def test_integers_that_the_type_does_not_hold():
    with pytest.raises(ArchiveError, match="its type does not hold"):
        decode(encode(np.array([[300]])), (1, 1), np.int8)


@pytest.mark.parametrize(
    ("data", "said"),
    [
        (b"", "ends in its head"),
        (b"\x03", "ends in its head"),
        (b"\x03\x83", "ends in its head"),
        (b"\x00\x00", "unknown kind"),
        (b"\x09\x00", "unknown kind"),
        (b"\x83\x00", "unknown kind"),
        (b"\x03" + b"\xff" * 9 + b"\x01", "more than 63 bits"),
        (b"\x03" + b"\xff" * 8 + b"\x7f", "lies too far"),
        (b"\x43\x03\x05\x01", "a lane that ends behind the bytes"),
        (b"\x03\x03" + b"\xff" * 99, "bytes behind its end"),
        (b"\x03\x03", r"beyond 2\^60"),  # zeros without end: escapes to the farthest integer
    ],
    ids=lambda value: value.hex() if isinstance(value, bytes) else "",
)
def test_bytes_that_no_encoder_writes(data, said):
    with pytest.raises(ArchiveError, match=said):
        decode(data, (2, 2), np.int64)


def test_every_cut_and_every_changed_bit_is_an_error_or_integers():
    """Other ones, but for the last bits, which may say more than is needed: a checksum has to tell."""
    levels = np.random.default_rng(5).integers(-9, 9, (7, 40))
    data = encode(levels, rows=True, columns=True)
    damaged = [data[:end] for end in range(len(data))]
    for bit in range(8 * len(data)):
        changed = bytearray(data)
        changed[bit // 8] ^= 1 << bit % 8
        damaged.append(bytes(changed))
    same = 0
    for one in damaged:
        with contextlib.suppress(ArchiveError):
            same += (decode(one, levels.shape, np.int64) == levels).all()
    assert same < 16

"""The record's layouts and artifact, against bytes made here by its rules."""

from __future__ import annotations

import contextlib
import lzma
import struct

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from hypothesis.extra.numpy import arrays

from pentanet.archive import record
from pentanet.archive.record import LAYOUTS, Payload, best, expand, pack, read_artifact, unpack, write_artifact
from pentanet.errors import ArchiveError

needs_lrzip = pytest.mark.skipif(not record.has_lrzip(), reason="lrzip is not installed (Debian: lrzip)")
MATRIX = np.array([[-2, -1, 0, 1], [2, 0, 0, -1]], np.int8)


def test_three_digits_in_a_byte():
    assert list(pack(MATRIX, "base5")) == [0 + 5 * 1 + 25 * 2, 3 + 5 * 4 + 25 * 2, 2 + 5 * 1]
    assert list(pack(MATRIX, "base5_T")) == [0 + 5 * 4 + 25 * 1, 2 + 5 * 2 + 25 * 2, 3 + 5 * 1]


def test_bit_masks():
    assert list(pack(MATRIX, "bitmask")) == [0b00100110, 0b11001000, 0b10010000]
    assert pack(MATRIX, "bitmask_T") == pack(np.ascontiguousarray(MATRIX.T), "bitmask")


@given(arrays(np.int8, st.tuples(st.integers(1, 9), st.integers(1, 9)), elements=st.integers(-2, 2)))
def test_every_layout_comes_back(levels):
    for layout in LAYOUTS:
        assert (unpack(pack(levels, layout), levels.shape, layout) == levels).all()


@pytest.mark.parametrize("layout", LAYOUTS)
def test_bytes_of_no_matrix(layout):
    data = pack(MATRIX, layout)
    for wrong in (b"", data[:-1], data + b"\0", data[:-1] + bytes([data[-1] | 1 if "mask" in layout else 125])):
        with pytest.raises(ArchiveError):
            unpack(wrong, MATRIX.shape, layout)


def test_other_levels():
    with pytest.raises(ArchiveError, match="-2 to 2"):
        pack(np.array([[3]], np.int8), "base5")


def test_the_smallest_layout_is_taken():
    random = np.random.default_rng(0)
    by_column = random.integers(-2, 3, 60)[None, :] * (random.random((400, 60)) < 0.9)
    levels = by_column.astype(np.int8)
    layout, payload = best(levels, lrzip=False)
    sizes = {name: len(lzma.compress(pack(levels, name), preset=9)) for name in LAYOUTS}
    assert (len(payload.body), sizes[layout]) == (min(sizes.values()),) * 2
    assert (unpack(expand(payload, 1 << 20), levels.shape, layout) == levels).all()


def artifact(metadata, bodies):
    """By the rules of the record, with nothing of the code under test."""
    packed = lzma.compress(metadata, preset=9)
    data = b"\x03" + struct.pack("<I", len(packed)) + packed + struct.pack("<I", len(bodies))
    for body in bodies:
        packed = lzma.compress(body, preset=9)
        data += b"\x00" + struct.pack("<I", len(packed)) + packed
    return data


def test_an_artifact_of_the_record_is_read_and_written():
    metadata, bodies = b"what torch.save makes", [pack(MATRIX, layout) for layout in LAYOUTS] + [b""]
    data = artifact(metadata, bodies)
    assert read_artifact(data) == (metadata, bodies)
    assert write_artifact(metadata, [record.smaller(body, lrzip=False) for body in bodies]) == data


def test_every_cut_and_every_changed_bit():
    """An error, or the same: LZMA has bits that say nothing, and checksums of the rest."""
    metadata, bodies = b"names", [bytes(range(50)), b"x" * 99]
    data = artifact(metadata, bodies)
    for end in range(len(data)):
        with pytest.raises(ArchiveError):
            read_artifact(data[:end])
    for bit in range(8 * len(data)):
        changed = bytearray(data)
        changed[bit // 8] ^= 1 << bit % 8
        if changed[bit // 8] == 1 and data[bit // 8] == 0:
            continue  # perhaps a method: lrzip, which is a program of its own
        with contextlib.suppress(ArchiveError):
            assert read_artifact(bytes(changed)) == (metadata, bodies)


def test_sizes_that_lie():
    packed = lzma.compress(b"", preset=9)
    head = b"\x03" + struct.pack("<I", len(packed)) + packed
    with pytest.raises(ArchiveError, match="4294967295 payloads in 0 bytes"):
        read_artifact(head + b"\xff" * 4)
    with pytest.raises(ArchiveError, match="more than 100 bytes"):
        read_artifact(artifact(b"", [bytes(10**6)]), limit=100)
    with pytest.raises(ArchiveError, match="neither LZMA"):
        expand(Payload(2, b""), 10)


def test_lrzip_is_refused_by_name_where_it_is_not_installed(monkeypatch):
    monkeypatch.setattr("shutil.which", lambda _: None)
    with pytest.raises(ArchiveError, match="lrzip, which is not installed"):
        read_artifact(write_artifact(b"", [Payload(record.LRZIP, b"LRZI")]))
    assert record.smaller(b"abc").method == record.LZMA


@needs_lrzip
def test_lrzip():
    data = bytes(range(100)) * 50
    payload = record.smaller(data, bytes(10_000))
    assert payload.method == record.LRZIP
    assert record.smaller(data, b"less").method == record.LZMA
    assert read_artifact(write_artifact(b"", [payload])) == (b"", [data])
    with pytest.raises(ArchiveError, match="lrzip refused"):
        expand(Payload(record.LRZIP, b"no stream"), 10)

"""Lines of plain and packed files, and what is refused."""

from __future__ import annotations

import bz2
import gzip
import lzma
from collections.abc import Callable
from pathlib import Path

import pytest

from pentanet.data.files import read_lines, unpacked_name
from pentanet.errors import DataError, EncodingError, MissingFileError, TruncatedFileError

PACKERS: dict[str, Callable[[bytes], bytes]] = {".xz": lzma.compress, ".gz": gzip.compress, ".bz2": bz2.compress}


@pytest.mark.parametrize("suffix", ["", *PACKERS])
def test_lines_of_plain_and_packed_files(tmp_path: Path, suffix: str) -> None:
    file = tmp_path / f"a.txt{suffix}"
    raw = "one\n\n zwei \u2013 drei \nlast without end".encode()
    file.write_bytes(PACKERS[suffix](raw) if suffix else raw)
    assert list(read_lines(file)) == ["one\n", "\n", " zwei \u2013 drei \n", "last without end"]
    assert unpacked_name(file) == "a.txt"


def test_line_ends_and_byte_order_mark(tmp_path: Path) -> None:
    file = tmp_path / "a.txt"
    file.write_bytes(b"\xef\xbb\xbfone\r\ntwo\rthree\xe2\x80\xa8still three\x0c\x85\n".replace(b"\x85", b"\xc2\x85"))
    assert list(read_lines(file)) == ["one\n", "two\n", "three\u2028still three\x0c\x85\n"]


@pytest.mark.parametrize("before", [0, 30_000])
def test_not_utf8_names_line_and_byte(tmp_path: Path, before: int) -> None:
    file = tmp_path / "a.txt"
    file.write_bytes("fine \u00e9\n".encode() * before + b"good\nbad \xe9t\xe9\n")
    with pytest.raises(EncodingError, match=rf"a\.txt: line {before + 2}, byte {8 * before + 9} \(0xe9\).*iconv"):
        list(read_lines(file))


def test_character_cut_at_the_end(tmp_path: Path) -> None:
    file = tmp_path / "a.txt"
    file.write_bytes("ends in \u20ac".encode()[:-1])
    with pytest.raises(EncodingError, match="line 1, byte 8"):
        list(read_lines(file))


def test_missing_file(tmp_path: Path) -> None:
    with pytest.raises(MissingFileError, match=r"none\.txt: no such file"):
        list(read_lines(tmp_path / "none.txt"))


@pytest.mark.parametrize("suffix", PACKERS)
def test_packed_file_cut_short(tmp_path: Path, suffix: str) -> None:
    file = tmp_path / f"a.txt{suffix}"
    file.write_bytes(PACKERS[suffix](b"some text\n" * 1000)[:-12])
    with pytest.raises(TruncatedFileError, match=r"a\.txt.*cut short"):
        list(read_lines(file))


@pytest.mark.parametrize("suffix", PACKERS)
def test_damaged_packed_file(tmp_path: Path, suffix: str) -> None:
    file = tmp_path / f"a.txt{suffix}"
    file.write_bytes(b"this was never packed")
    with pytest.raises(DataError, match=r"a\.txt.*cannot be read"):
        list(read_lines(file))


def test_directory_is_not_a_file(tmp_path: Path) -> None:
    with pytest.raises(DataError, match="cannot be read"):
        list(read_lines(tmp_path))

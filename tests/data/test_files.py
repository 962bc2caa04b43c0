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


@pytest.mark.parametrize("encoding", ["utf-16", "utf-16-le", "utf-16-be", "utf-32", "utf-32-be"])
def test_other_encodings_are_read_by_their_byte_order_mark(tmp_path: Path, encoding: str) -> None:
    file = tmp_path / "a.txt"
    raw = "one \u6771\r\ntwo\n"
    mark = "" if encoding in ("utf-16", "utf-32") else "\ufeff"
    file.write_bytes((mark + raw).encode(encoding))
    assert list(read_lines(file)) == ["one \u6771\n", "two\n"]
    packed = tmp_path / "b.txt.gz"
    packed.write_bytes(gzip.compress(file.read_bytes()))
    assert list(read_lines(packed)) == ["one \u6771\n", "two\n"]


@pytest.mark.parametrize("encoding", ["utf-16-le", "utf-16-be"])
def test_without_the_mark_the_right_conversion_is_named(tmp_path: Path, encoding: str) -> None:
    """Plain words in UTF-16 are UTF-8 as well, with a NUL beside each letter."""
    file = tmp_path / "a.txt"
    file.write_bytes("only plain words\n".encode(encoding) * 9)
    with pytest.raises(EncodingError, match=f"iconv -f {encoding.replace('-', '').upper().replace('UTF', 'UTF-')}"):
        list(read_lines(file))


def test_what_a_wrong_conversion_made_is_refused(tmp_path: Path) -> None:
    """The conversion from LATIN1 ends well on UTF-16, and leaves a NUL beside each letter."""
    file = tmp_path / "a.txt"
    file.write_bytes("plain words\n".encode("utf-16").decode("latin-1").encode())
    with pytest.raises(EncodingError, match=r"as if it were LATIN1: .* it came from, iconv -f UTF-16 -t UTF-8"):
        list(read_lines(file))


def test_a_mark_that_announces_what_does_not_come(tmp_path: Path) -> None:
    file = tmp_path / "a.txt"
    file.write_bytes("some words".encode("utf-16")[:-1])
    with pytest.raises(EncodingError, match=r"a\.txt: not the utf-16 that its first bytes announce"):
        list(read_lines(file))


def test_bytes_of_no_text_are_not_said_to_be_latin(tmp_path: Path) -> None:
    file = tmp_path / "a.txt"
    file.write_bytes(b"PAR1" + bytes(range(256)))
    with pytest.raises(EncodingError, match="NUL bytes: this is no text"):
        list(read_lines(file))

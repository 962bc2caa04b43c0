"""Text files: unpacking, UTF-8, line ends."""

from __future__ import annotations

import bz2
import gzip
import io
import lzma
import zlib
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import BinaryIO, cast

from pentanet.errors import DataError, EncodingError, MissingFileError, TruncatedFileError

TEXT_SUFFIXES = (".txt", ".text", ".md", ".tokens", ".raw")

_OPENERS: dict[str, Callable[[Path], io.BufferedIOBase]] = {
    ".xz": lzma.LZMAFile,
    ".gz": gzip.GzipFile,
    ".bz2": bz2.BZ2File,
}


def unpacked_name(path: Path) -> str:
    """The file's name without a suffix that means packed (.xz, .gz, .bz2)."""
    return path.stem if path.suffix in _OPENERS else path.name


def read_lines(path: Path) -> Iterator[str]:
    r"""Yield the lines of a text file, unpacked by its suffix, each with its `\n` (the last one may have none).

    A byte order mark is dropped, and `\r\n` and `\r` become `\n`.

    Raises:
        MissingFileError: no such file.
        EncodingError: bytes that are not UTF-8; names the line and the byte.
        TruncatedFileError: a packed file that ends too early.
        DataError: a file that cannot be read, or is damaged.
    """
    try:
        with _open(path) as binary, io.TextIOWrapper(binary, encoding="utf-8-sig") as text:
            yield from text
    except UnicodeDecodeError:
        raise EncodingError(_first_bad_byte(path)) from None
    except FileNotFoundError:
        raise MissingFileError(path, "Check the name.") from None
    except EOFError:
        raise TruncatedFileError(f"{path}: the packed file is cut short: copy or download it again") from None
    except (OSError, lzma.LZMAError, zlib.error) as error:
        raise DataError(f"{path}: cannot be read ({error}): check its permissions, or copy it again") from None


def _open(path: Path) -> BinaryIO:
    opener = _OPENERS.get(path.suffix)
    return cast(BinaryIO, opener(path)) if opener else path.open("rb")


def _first_bad_byte(path: Path) -> str:
    """Read once more, line by line, to say where the text stops being UTF-8 (the fast reader only knows its buffer)."""
    offset = 0
    with _open(path) as binary:
        for number, raw in enumerate(binary, 1):
            try:
                raw.decode("utf-8")
            except UnicodeDecodeError as error:
                where = f"line {number}, byte {offset + error.start} (0x{raw[error.start]:02x})"
                return f"{path}: {where} is not UTF-8: convert the file first, e.g. iconv -f LATIN1 -t UTF-8"
            offset += len(raw)
    return f"{path}: is not UTF-8 (it changed while it was read)"

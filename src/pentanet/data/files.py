"""Text files: unpacking, encodings, line ends."""

from __future__ import annotations

import bz2
import codecs
import gzip
import io
import lzma
import re
import zlib
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import BinaryIO, cast

from pentanet.errors import DataError, EncodingError, MissingFileError, TruncatedFileError

_OPENERS: dict[str, Callable[[Path], io.BufferedIOBase]] = {
    ".xz": lzma.LZMAFile,
    ".gz": gzip.GzipFile,
    ".bz2": bz2.BZ2File,
}

_GAP = re.compile(r"(?<=\S) (?=\S)")
_MARKS = {
    codecs.BOM_UTF32_LE: "utf-32",
    codecs.BOM_UTF32_BE: "utf-32",
    codecs.BOM_UTF16_LE: "utf-16",
    codecs.BOM_UTF16_BE: "utf-16",
}
_MISREAD = ("\xff\xfe".encode(), "\xfe\xff".encode())  # marks of UTF-16, taken for two letters of LATIN1


def unpacked_name(path: Path) -> str:
    """The file's name without a suffix that means packed (.xz, .gz, .bz2)."""
    return path.stem if path.suffix in _OPENERS else path.name


def read_lines(path: Path, *, longest: int = 0) -> Iterator[str]:
    r"""Yield the lines of a text file, unpacked by its suffix, each with its `\n` (the last one may have none).

    Text is UTF-8, or UTF-16 or UTF-32 where a byte order mark says so.  The mark is dropped, and `\r\n` and `\r` become
    `\n`.

    Args:
        path: the file.
        longest: characters of a line, about, after which it is cut, before a space; 0 keeps lines whole.

    Raises:
        MissingFileError: no such file.
        EncodingError: bytes that are not UTF-8, or NULs, which no text has; names the line and the byte.
        TruncatedFileError: a packed file that ends too early.
        DataError: a file that cannot be read, or is damaged.
    """
    encoding = "utf-8-sig"
    try:
        with _open(path) as binary:
            encoding = _marked(binary.read(4)) or encoding
        with _open(path) as binary, io.TextIOWrapper(binary, encoding=encoding) as text:
            for number, line in enumerate(_bounded(text, longest) if longest else text, 1):
                if "\0" in line:
                    raise EncodingError(_nul(path, number))
                yield line
    except UnicodeDecodeError as error:
        if encoding != "utf-8-sig":
            raise EncodingError(f"{path}: not the {encoding} that its first bytes announce ({error.reason})") from None
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


def _marked(start: bytes) -> str | None:
    """The encoding that a byte order mark announces; that of UTF-32 begins like one of UTF-16."""
    for mark, encoding in _MARKS.items():
        if start.startswith(mark):
            return encoding
    return None


def _bounded(text: io.TextIOWrapper, longest: int) -> Iterator[str]:
    """Lines, those that are longer in pieces.

    A cut stands before a space between two words, where tokenizers cut as well: the pieces have the tokens of the
    line.  Without such a space it stands anywhere.
    """
    rest = ""
    while part := text.readline(longest):
        part = rest + part
        rest = ""
        if len(part) >= longest and not part.endswith("\n"):
            cut = max((gap.start() for gap in _GAP.finditer(part, longest // 2)), default=len(part))
            part, rest = part[:cut], part[cut:]
        yield part
    if rest:
        yield rest


def _nul(path: Path, number: int) -> str:
    """What to do about a NUL: text of two bytes a character has one in most of them."""
    with _open(path) as binary:
        start = binary.read(1 << 12)
    if start.startswith(_MISREAD):
        fix = "convert the file it came from, iconv -f UTF-16 -t UTF-8"
        return f"{path}: UTF-16 that was converted as if it were LATIN1: {fix}"
    even, odd = start[::2].count(0), start[1::2].count(0)
    if max(even, odd) * 4 > len(start):
        kind = "UTF-16LE" if odd > even else "UTF-16BE"
        return f"{path}: line {number} has NUL bytes: convert the file first, iconv -f {kind} -t UTF-8"
    fix = "if it is, take them out first, tr -d '\\000', or, if a conversion made them, convert the file it came from"
    return f"{path}: line {number} has a NUL byte: is this a text? {fix}"


def _first_bad_byte(path: Path) -> str:
    """Read once more, line by line, to say where the text stops being UTF-8 (the fast reader only knows its buffer)."""
    offset, nul = 0, False
    with _open(path) as binary:
        for number, raw in enumerate(binary, 1):
            try:
                raw.decode("utf-8")
            except UnicodeDecodeError as error:
                where = f"line {number}, byte {offset + error.start} (0x{raw[error.start]:02x})"
                if nul or b"\0" in raw:
                    return f"{path}: {where} is not UTF-8, and there are NUL bytes: this is no text"
                fix = "convert the file first; if it is Western European, iconv -f LATIN1 -t UTF-8"
                return f"{path}: {where} is not UTF-8: {fix}"
            offset += len(raw)
            nul = nul or b"\0" in raw
    return f"{path}: is not UTF-8 (it changed while it was read)"

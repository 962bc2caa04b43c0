"""What a file says as text: the lines of a text file, or the documents of JSON lines."""

from __future__ import annotations

import json
from collections.abc import Iterator
from pathlib import Path
from typing import cast

from pentanet.data.files import read_lines, unpacked_name
from pentanet.errors import DataError, EncodingError

DOCUMENTS = ".jsonl"
KEY = "text"
LONGEST = 1 << 13  # characters of a line, about: text8 is one line of 100 million

_UNREAD = {
    ".json": "JSON: write an object a line, with the key 'text', to a file ending in .jsonl",
    ".parquet": "Parquet: write its text to a file ending in .jsonl, an object with the key 'text' a line",
    ".arrow": "Arrow: write its text to a file ending in .jsonl, an object with the key 'text' a line",
}


def has_documents(path: Path) -> bool:
    """Whether a file holds documents, one a line as JSON, rather than lines of text."""
    return Path(unpacked_name(path)).suffix == DOCUMENTS


def read_units(path: Path) -> Iterator[str]:
    r"""Yield the documents of a .jsonl file, or the lines of any other, each with its `\n` at the end.

    A line longer than about `LONGEST` comes in pieces, cut before a space, so that it takes no memory and can be
    parted into splits.

    Raises:
        DataError: a row without a text; JSON, Parquet and Arrow, by the name.  See also `read_lines`.
    """
    suffix = Path(unpacked_name(path)).suffix
    if suffix in _UNREAD:
        raise DataError(f"{path}: is {_UNREAD[suffix]}")
    yield from _documents(path) if suffix == DOCUMENTS else read_lines(path, longest=LONGEST)


def whole_text(path: Path) -> str:
    """All that a file says, as one string; a blank line stands between documents.

    Raises:
        DataError: as `read_units`.
    """
    return ("\n" if has_documents(path) else "").join(read_units(path))


def _documents(path: Path) -> Iterator[str]:
    for number, line in enumerate(read_lines(path), 1):
        if line.isspace():
            continue
        where = f"{path}, line {number}"
        try:
            row: object = json.loads(line)
        except (ValueError, RecursionError) as error:
            raise DataError(f"{where}: not JSON ({error}): a .jsonl file has one JSON object a line") from None
        text = _text(row, where).replace("\r\n", "\n").replace("\r", "\n")
        yield text if text.endswith("\n") else text + "\n"


def _text(row: object, where: str) -> str:
    found: object = cast("dict[str, object]", row).get(KEY) if isinstance(row, dict) else row
    if not isinstance(found, str):
        keys = f"; it has {', '.join(map(repr, cast('dict[str, object]', row)))[:200]}" if isinstance(row, dict) else ""
        fix = f"rename the key that holds the text, e.g. jq -c '{{{KEY}: .content}}'"
        raise DataError(f"{where}: no text under the key '{KEY}'{keys}: {fix}")
    if "\0" in found:
        raise EncodingError(f"{where}: has a NUL, which no text has: take it out")
    try:
        found.encode()
    except UnicodeEncodeError:
        raise DataError(f"{where}: half of a surrogate pair, which is no character: write the text anew") from None
    return found

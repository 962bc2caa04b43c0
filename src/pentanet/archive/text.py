"""Small files by the standard library's LZMA, which no other program needs to read: raw, without a container's bytes.

A tokenizer is most of them, and has long repetitions.
"""

from __future__ import annotations

import hashlib
import lzma
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import BinaryIO, Protocol

from pentanet.errors import ArchiveError

_FILTERS = [{"id": lzma.FILTER_LZMA2, "preset": 9 | lzma.PRESET_EXTREME, "dict_size": 1 << 23}]
_BLOCK = 1 << 20
MAX_MEMORY = 1 << 24
"""Bytes of what is expanded in memory at once: an index, a header, a config.json."""


class Write(Protocol):
    """The method of an open file."""

    def __call__(self, data: bytes, /) -> object: ...


def compressed(data: bytes) -> bytes:
    """All bytes at once."""
    return lzma.compress(data, lzma.FORMAT_RAW, filters=_FILTERS)


def compress(source: BinaryIO, write: Write) -> tuple[int, str, int]:
    """Compress a file block by block.

    Returns:
        Its bytes, its hex sha256, and the bytes written.
    """
    compressor = lzma.LZMACompressor(lzma.FORMAT_RAW, filters=_FILTERS)
    hashed = hashlib.sha256()
    size = packed = 0
    while block := source.read(_BLOCK):
        hashed.update(block)
        size += len(block)
        packed += _write(write, compressor.compress(block))
    return size, hashed.hexdigest(), packed + _write(write, compressor.flush())


def expanded(data: bytes, limit: int, path: Path) -> bytes:
    """All bytes at once.  Raises ArchiveError: more than `limit`, or not what `compressed` makes."""
    return b"".join(expand(iter([data]).__next__, len(data), limit, path))


def expand(read: Callable[[], bytes], packed: int, limit: int, path: Path) -> Iterator[bytes]:
    """Expand `packed` bytes block by block, of which `read` gives some at each call.

    Raises:
        ArchiveError: they make more than `limit` bytes, do not end where they should, or no compressor made them.
    """
    decompressor = lzma.LZMADecompressor(lzma.FORMAT_RAW, filters=_FILTERS)
    given = made = 0
    try:
        while not decompressor.eof:
            more = b""
            if decompressor.needs_input:
                if given == packed:
                    break
                more = read()
                given += len(more)
                if not more:
                    break
            found = decompressor.decompress(more, max_length=_BLOCK)
            made += len(found)
            if made > limit:
                break
            yield found
    except lzma.LZMAError:
        pass
    if made > limit or given != packed or not decompressor.eof or decompressor.unused_data:
        raise ArchiveError(f"{path}: a compressed file in it is not whole. The archive is damaged; copy it again.")


def sha256(path: Path) -> tuple[str, int]:
    """Hex checksum and bytes of a file."""
    hashed, size = hashlib.sha256(), 0
    with path.open("rb") as file:
        while block := file.read(_BLOCK):
            hashed.update(block)
            size += len(block)
    return hashed.hexdigest(), size


def _write(write: Write, data: bytes) -> int:
    write(data)
    return len(data)

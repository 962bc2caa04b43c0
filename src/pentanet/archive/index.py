"""The frame of an archive: eight bytes, the streams, the index, its size, and the checksum of everything before.

The index stands last, so that an archive is written in one pass; it is read first, from the end.
"""

from __future__ import annotations

import hashlib
import json
import re
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any, BinaryIO, NoReturn, TypeVar, cast

from pentanet.archive.text import MAX_MEMORY, compressed, expanded
from pentanet.errors import ArchiveError, HeaderError, VersionError
from pentanet.format.header import strict_json

MAGIC = b"PNTARC"
VERSION = 1
HEAD = MAGIC + VERSION.to_bytes(2, "little")
_SIZE, _DIGEST = 4, 32
TAIL = _SIZE + _DIGEST
STORED, RAW = "stored", "="
_NAME = re.compile(r"[^\x00-\x1f\x7f/\\:*?\"<>|]{1,255}")
T = TypeVar("T")


@dataclass(frozen=True, slots=True)
class File:
    """A file of the directory.

    Attributes:
        name: without a folder.
        nbytes: of the file.
        sha256: of the file, hex.
        packed: bytes in the archive; of model.safetensors those of its header.
    """

    name: str
    nbytes: int
    sha256: str
    packed: int


@dataclass(frozen=True, slots=True)
class Packed:
    """A stored tensor.

    Attributes:
        kind: STORED, or for each part "c" where it is coded with a context, "-" where without, RAW where not at all.
        sizes: bytes of each part of each chunk, in their order in the archive; of all bytes if stored.
    """

    kind: str
    sizes: tuple[int, ...]


@dataclass(frozen=True, slots=True)
class Index:
    """What is in an archive: files in their order, the tensors of model.safetensors in theirs, after its header."""

    files: tuple[File, ...]
    tensors: tuple[Packed, ...]

    @property
    def packed(self) -> int:
        """Bytes of all streams."""
        return sum(file.packed for file in self.files) + sum(sum(tensor.sizes) for tensor in self.tensors)


def valid_file(name: str) -> bool:
    """Whether a file of an archive may have this name: every system must be able to make it, in its folder."""
    try:
        size = len(name.encode())
    except UnicodeEncodeError:
        return False
    return _NAME.fullmatch(name) is not None and name not in (".", "..") and size <= 255


def render(index: Index) -> bytes:
    """The bytes of an index."""
    files = [[file.name, file.nbytes, file.sha256, file.packed] for file in index.files]
    tensors = [[tensor.kind, *tensor.sizes] for tensor in index.tensors]
    return compressed(json.dumps({"files": files, "tensors": tensors}, separators=(",", ":")).encode())


def open_index(file: BinaryIO, path: Path) -> Index:
    """Read the frame of an archive, and check the checksum of the whole.

    Raises:
        ArchiveError: it is damaged, or no archive.
        VersionError: one of a later version.
    """
    size = file.seek(0, 2)
    file.seek(0)
    head = file.read(len(HEAD))
    if head[: len(MAGIC)] != MAGIC:
        raise ArchiveError(f"{path}: not an archive of pentanet")
    if head != HEAD:
        if len(head) < len(HEAD):
            damaged(path, "it ends in its head")
        raise VersionError(
            f"{path}: an archive of version {int.from_bytes(head[len(MAGIC) :], 'little')}, but this release reads "
            f"{VERSION}. Use a later release of pentanet."
        )
    if size < len(HEAD) + TAIL:
        damaged(path, "it ends too early")
    _check(file, size - _DIGEST, path)
    file.seek(size - TAIL)
    length = int.from_bytes(file.read(_SIZE), "little")
    if length > min(size - len(HEAD) - TAIL, MAX_MEMORY):
        damaged(path, "its index is larger than it is")
    file.seek(size - TAIL - length)
    index = _parse(expanded(file.read(length), MAX_MEMORY, path), path)
    if index.packed != size - TAIL - length - len(HEAD):
        damaged(path, f"its streams take {index.packed} bytes, which there are not")
    return index


def damaged(path: Path, what: str) -> NoReturn:
    """Raise ArchiveError."""
    raise ArchiveError(f"{path}: {what}. The archive is damaged; copy or download it again.")


def _check(file: BinaryIO, size: int, path: Path) -> None:
    file.seek(0)
    hashed, left = hashlib.sha256(), size
    while left and (block := file.read(min(left, 1 << 20))):
        hashed.update(block)
        left -= len(block)
    if left or file.read(_DIGEST) != hashed.digest():
        damaged(path, "it differs from its sha256")


def _parse(raw: bytes, path: Path) -> Index:
    try:
        tree = strict_json(raw, path)
    except HeaderError as error:
        raise ArchiveError(str(error)) from None
    if list(tree) != ["files", "tensors"]:
        damaged(path, "its index is not one of files and tensors")
    files = tuple(_each(tree["files"], _file, path))
    tensors = tuple(_each(tree["tensors"], _tensor, path))
    names = [file.name.casefold() for file in files]
    if len(set(names)) != len(names):
        damaged(path, "two of its files have one name")
    return Index(files, tensors)


def _each(value: Any, read: Callable[[list[Any]], T | None], path: Path) -> Iterator[T]:
    for item in cast("list[Any]", value) if isinstance(value, list) else [None]:
        found = read(cast("list[Any]", item)) if isinstance(item, list) else None
        if found is None:
            damaged(path, "its index has an entry that no writer makes")
        yield found


def _file(item: list[Any]) -> File | None:
    if len(item) != 4 or not isinstance(item[0], str) or not isinstance(item[2], str):
        return None
    if not valid_file(item[0]) or re.fullmatch(r"[0-9a-f]{64}", item[2]) is None or not _naturals(item[1::2]):
        return None
    return File(item[0], item[1], item[2], item[3])


def _tensor(item: list[Any]) -> Packed | None:
    if len(item) < 2 or not isinstance(item[0], str) or not _naturals(item[1:]):
        return None
    if item[0] != STORED and re.fullmatch("[-c=]{1,4}", item[0]) is None:
        return None
    return Packed(item[0], tuple(item[1:]))


def _naturals(items: list[Any]) -> bool:
    return all(type(item) is int and 0 <= item < 1 << 62 for item in items)

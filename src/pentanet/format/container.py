"""A file of named tensors: written in one pass, checked before anything is believed.

The header and small tensors are read by copy, so that a file that shrinks meanwhile is an error; large ones are mapped.
"""

from __future__ import annotations

import hashlib
import mmap
from collections.abc import Callable, Mapping
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from pathlib import Path
from typing import BinaryIO

import numpy as np
from numpy.typing import NDArray

from pentanet.errors import (
    ChecksumError,
    HeaderError,
    MissingFileError,
    TruncatedFileError,
    UnreadableFileError,
)
from pentanet.format import header
from pentanet.format.header import ALIGNMENT, NO_DIGEST, Entry, Header, Slot
from pentanet.machine import usable_cores
from pentanet.regular import open_regular

Bytes = NDArray[np.uint8]
_BLOCK = 1 << 24  # copy so many bytes at a time
MAX_COPIED = 1 << 20  # bytes; norms, biases, and the scales of all but large matrices


def file_size(entries: Mapping[str, Entry], seal: Mapping[str, str] | None = None) -> int:
    """Exact size in bytes of a file with these tensors and a seal of these names, without making it."""
    slots = header.place(entries)
    return len(header.render(Header(slots, dict.fromkeys(slots, NO_DIGEST), seal or {}))) + _end(slots)


def write_tensors(
    path: Path, entries: Mapping[str, Entry], data: Callable[[str], Bytes], seal: Mapping[str, str] | None = None
) -> None:
    """Write a tensor file; only one tensor is in memory at a time.

    Not atomic by itself: until it ends, the file has a header that every reader refuses.  Write into a
    `pentanet.atomic.scratch_dir`.

    Args:
        path: the file to create.
        entries: type and shape of each tensor, in file order.
        data: gives the bytes of a tensor, uint8 [entry.nbytes].
        seal: of the files beside it, see `format.seal`; none for a file that is no model's.

    Raises:
        OSError: the disk is full, or the file cannot be written.
    """
    assert all(map(header.valid_name, entries)), list(entries)
    slots = header.place(entries)
    digests = dict.fromkeys(slots, NO_DIGEST)
    start = Header(slots, digests, seal or {})
    with path.open("wb") as file:
        file.write(bytes(len(header.render(start))))
        for name, slot in slots.items():
            if header.is_padding(name):
                file.write(bytes(slot.entry.nbytes))
                continue
            block = np.ascontiguousarray(data(name))
            assert block.dtype == np.uint8 and block.shape == (slot.entry.nbytes,), (
                f"{name}: {block.dtype} {block.shape}"
            )
            digests[name] = hashlib.sha256(block.data).hexdigest()
            file.write(block.data)
        file.seek(0)
        file.write(header.render(start))


def copy_tensors(opened: Container, path: Path, seal: Mapping[str, str]) -> None:
    """Write an open file again with another seal.  Not atomic; raises OSError.  See `write_tensors`."""
    with path.open("wb") as file:
        file.write(header.render(Header(opened.header.slots, opened.header.digests, seal)))
        for start in range(0, opened.data.size, _BLOCK):
            file.write(opened.data[start : start + _BLOCK].data)


@dataclass(frozen=True, kw_only=True, slots=True, eq=False)
class Container:
    """An open tensor file.

    Attributes:
        path: the file.
        entries: type and shape of each tensor, in file order, without padding.
        nbytes: size of the file.
        header: what stands before the first tensor.
        data: everything after it, mapped.
    """

    path: Path
    entries: Mapping[str, Entry]
    nbytes: int
    header: Header
    data: Bytes
    _copies: Mapping[str, Bytes]

    def raw(self, name: str) -> Bytes:
        """The bytes of a tensor, read-only uint8 [nbytes], on a 64-byte boundary: in the mapped file, or a copy."""
        slot = self.header.slots[name]
        return self._copies[name] if name in self._copies else self.data[slot.start : slot.stop]

    def footprint(self, name: str) -> int:
        """Bytes of the file that a tensor takes, with the padding that follows it."""
        slot = self.header.slots[name]
        return min(-(-slot.stop // ALIGNMENT) * ALIGNMENT, self.data.size) - slot.start


def open_tensors(path: Path, *, verify: bool = True) -> Container:
    """Check a tensor file; read its header and small tensors, and map the rest.

    Args:
        path: the file.
        verify: compare every tensor with its sha256, which reads the whole file once.

    Raises:
        MissingFileError, UnreadableFileError: there is no such file, or the system does not let it be read.
        TruncatedFileError, HeaderError, VersionError: see `header.parse`.
        ChecksumError: a tensor is not what was written.
    """
    try:
        with open_regular(path) as file:
            opened = _read(path, file)
    except FileNotFoundError:
        raise MissingFileError(path, "A model directory has config.json and model.safetensors.") from None
    except (OSError, OverflowError) as error:
        raise UnreadableFileError(path, error) from error
    if verify:
        _verify(opened)
    return opened


def _read(path: Path, file: BinaryIO) -> Container:
    size = file.seek(0, 2)
    file.seek(0)
    length = file.read(header.LENGTH_BYTES)
    start = header.header_size(length, size, path)
    rest = _exactly(path, file, start - len(length))
    found = header.parse(length + rest, size - start, path)
    copies: dict[str, Bytes] = {}
    for name, slot in found.slots.items():
        if header.is_padding(name) or (slot.entry.dtype != "U8" and slot.entry.nbytes <= MAX_COPIED):
            file.seek(start + slot.start)
            copies[name] = _aligned(_exactly(path, file, slot.entry.nbytes))
            if header.is_padding(name) and copies.pop(name).any():
                raise HeaderError(f"{path}: padding '{name}' is not zero. The file is damaged; copy or pack it again.")
    try:
        data = np.frombuffer(mmap.mmap(file.fileno(), size, access=mmap.ACCESS_READ), np.uint8)[start:]
    except ValueError:  # no mapping reaches beyond the end
        raise _shrunk(path) from None
    entries = {name: slot.entry for name, slot in found.slots.items() if not header.is_padding(name)}
    return Container(path=path, entries=entries, nbytes=size, header=found, data=data, _copies=copies)


def _exactly(path: Path, file: BinaryIO, nbytes: int) -> bytes:
    content = file.read(nbytes)
    if len(content) != nbytes:
        raise _shrunk(path)
    return content


def _shrunk(path: Path) -> TruncatedFileError:
    return TruncatedFileError(f"{path}: became shorter while it was read. Copy it again.")


def _aligned(content: bytes) -> Bytes:
    """A read-only copy that starts where a mapped tensor would: on 64 bytes."""
    room = np.empty(len(content) + ALIGNMENT, np.uint8)
    first = -room.ctypes.data % ALIGNMENT
    copy = room[first : first + len(content)]
    copy[:] = np.frombuffer(content, np.uint8)
    copy.flags.writeable = False
    return copy


def _verify(opened: Container) -> None:
    digests = opened.header.digests

    def differs(name: str) -> bool:
        return hashlib.sha256(opened.raw(name).data).hexdigest() != digests[name]

    with ThreadPoolExecutor(usable_cores()) as pool:  # hashlib lets other threads run
        for name, wrong in zip(digests, pool.map(differs, digests), strict=True):
            if wrong:
                raise ChecksumError(
                    f"{opened.path}: tensor '{name}' differs from its sha256. The file is damaged; copy it again."
                )


def _end(slots: Mapping[str, Slot]) -> int:
    return max((slot.stop for slot in slots.values()), default=0)

"""From an archive to a model directory.  Nothing that the file says is believed before it is checked.

The checksum of the whole file comes first, so that damage ends here. Against malice: no memory is taken but for a chunk
of a tensor and small files, whose sizes have limits; nothing is written beyond the sizes that the index promises and
the disk has room for; every file must have its checksum, and the directory must be a model, before it gets its name.
"""

from __future__ import annotations

import hashlib
import shutil
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import BinaryIO, cast

import numpy as np

from pentanet import atomic
from pentanet.archive import text
from pentanet.archive.coder import decode
from pentanet.archive.index import HEAD, RAW, STORED, File, Index, Packed, damaged, open_index
from pentanet.archive.streams import Bytes, Part, Stream, streams
from pentanet.errors import (
    ArchiveError,
    FormatError,
    MissingFileError,
    PentaNetError,
    UnreadableFileError,
    VersionError,
    WriteError,
)
from pentanet.format import header
from pentanet.format.header import NO_DIGEST, Header, is_padding
from pentanet.format.model_dir import check_target, open_model, read_specs
from pentanet.format.packed_model import CONFIG, TENSORS
from pentanet.kernels import native
from pentanet.regular import open_regular

Progress = Callable[[int, int], None]
_BLOCK = 1 << 20


def unarchive(
    file: str | Path, out: str | Path, *, overwrite: bool = False, progress: Progress = lambda done, total: None
) -> Path:
    """Make the model directory that `archive` was given, every file byte by byte.

    Args:
        file: the archive.
        out: the directory to make.
        overwrite: replace a model directory that is there.
        progress: told how many tensors are done, of how many.

    Returns:
        The directory.

    Raises:
        MissingFileError, UnreadableFileError: there is no such file, or it cannot be read.
        ArchiveError: it is no archive, or damaged.
        VersionError: an archive or a model of a later version.
        EngineError: the native engine was not compiled.
        WriteError: `out` is in use, or the disk does not take it; what was there is untouched.
        UnconfirmedWriteError: the new directory is in its place, but the disk did not confirm it.
    """
    native.require()
    file, out = Path(file), Path(out).resolve()
    check_target(out, overwrite)
    try:
        source = open_regular(file)
    except (FileNotFoundError, NotADirectoryError):
        raise MissingFileError(file, "Expected an archive of `pentanet archive`.") from None
    except OSError as error:
        raise UnreadableFileError(file, error) from error
    with source:
        index = open_index(source, file)
        _check(index, file)
        try:
            with atomic.scratch_dir(out) as scratch:
                _check_room(index, scratch)
                _Reader(source, file, index, scratch, progress).read()
                atomic.replace_dir(scratch, out)
        except PentaNetError:
            raise
        except OSError as error:
            raise WriteError(out, error.strerror or str(error)) from error
    return out


def _check(index: Index, path: Path) -> None:
    names = [file.name for file in index.files]
    if len(names) < 2 or names[0] != CONFIG or names[-1] != TENSORS:
        damaged(path, f"it does not begin with {CONFIG} and end with {TENSORS}")
    if index.files[0].nbytes > text.MAX_MEMORY:
        damaged(path, f"its {CONFIG} is larger than one can be")


def _check_room(index: Index, scratch: Path) -> None:
    needed, free = sum(file.nbytes for file in index.files), shutil.disk_usage(scratch).free
    if needed > free:
        raise WriteError(scratch.parent, f"{needed:,} bytes are needed, and the disk has {free:,}")


@dataclass(frozen=True, slots=True)
class _Reader:
    source: BinaryIO
    path: Path
    index: Index
    scratch: Path
    progress: Progress

    def read(self) -> None:
        """Fill the scratch directory."""
        self.source.seek(len(HEAD))
        *small, weights = self.index.files
        for file in small:
            self._small(file)
        try:
            self._weights(weights)
            self._compare(weights)
            open_model(self.scratch, verify=False)
        except (ArchiveError, VersionError):
            raise
        except FormatError as error:
            damaged(self.path, f"the model in it is not valid: {str(error).replace(str(self.scratch), '').lstrip('/')}")

    def _small(self, file: File) -> None:
        left = file.packed

        def read() -> bytes:
            nonlocal left
            block = self.source.read(min(left, _BLOCK))
            left -= len(block)
            return block

        with (self.scratch / file.name).open("wb") as out:
            for block in text.expand(read, file.packed, file.nbytes, self.path):
                out.write(block)
        self._compare(file)

    def _compare(self, file: File) -> None:
        if text.sha256(self.scratch / file.name) != (file.sha256, file.nbytes):
            damaged(self.path, f"{file.name} in it differs from its sha256")

    def _weights(self, file: File) -> None:
        bare = text.expanded(self._take(file.packed), text.MAX_MEMORY, self.path)
        found = header.parse(bare, file.nbytes - len(bare), self.path)
        names = [name for name in found.slots if not is_padding(name)]
        entries = {name: found.slots[name].entry for name in names}
        specs = read_specs(self.scratch / CONFIG, entries, self.path)
        if len(names) != len(self.index.tensors):
            damaged(self.path, f"it has {len(self.index.tensors)} tensors, but its header {len(names)}")
        tensors = dict(zip(names, self.index.tensors, strict=True))
        digests: dict[str, str] = {}
        with (self.scratch / TENSORS).open("wb") as out:
            out.write(bytes(len(bare)))
            for name, slot in found.slots.items():
                if is_padding(name):
                    out.write(bytes(slot.entry.nbytes))
                    continue
                self.progress(len(digests), len(names))
                stream = streams(specs, {name: slot.entry})[name]
                hashed, size = hashlib.sha256(), 0
                for block in self._tensor(name, stream, tensors[name], slot.entry.nbytes):
                    out.write(block.data)
                    hashed.update(block.data)
                    size += block.size
                if size != slot.entry.nbytes:
                    damaged(self.path, f"tensor '{name}' has {size} bytes, and should have {slot.entry.nbytes}")
                digests[name] = hashed.hexdigest()
            out.seek(0)
            out.write(header.render(Header(found.slots, digests, self._seal(found))))
        self.progress(len(names), len(names))

    def _seal(self, found: Header) -> dict[str, str]:
        """What the writer left out: the checksums of the files that are in the archive."""
        digests = {file.name: file.sha256 for file in self.index.files}
        return {
            name: digests.get(name, written) if written == NO_DIGEST else written
            for name, written in found.seal.items()
        }

    def _tensor(self, name: str, stream: Stream, packed: Packed, nbytes: int) -> Iterator[Bytes]:
        if packed.kind == STORED:
            if packed.sizes != (nbytes,):
                damaged(self.path, f"tensor '{name}' is stored in another size than it has")
            for start in range(0, nbytes, _BLOCK):
                yield np.frombuffer(self._take(min(_BLOCK, nbytes - start)), np.uint8)
            return
        chunks, sizes = stream.chunks, iter(packed.sizes)
        if len(packed.kind) != stream.parts or len(packed.sizes) != stream.parts * len(chunks):
            damaged(self.path, f"tensor '{name}' has other parts than it needs")
        for start, stop in chunks:
            parts: list[Part] = []
            for use in packed.kind:
                data = self._take(next(sizes))
                parts.append(self._part(name, stream, (stop - start, stream.whole[1]), use, data, parts))
            yield stream.join(parts, start, stop)

    def _part(
        self, name: str, stream: Stream, shape: tuple[int, int], use: str, data: bytes, before: list[Part]
    ) -> Part:
        if use == RAW:
            if len(data) != shape[0] * shape[1]:
                damaged(self.path, f"tensor '{name}': a part of another size than it needs")
            return cast("Part", np.frombuffer(data, stream.dtype).reshape(shape))
        context = stream.context(before) if use == "c" else None
        if use == "c" and context is None:
            damaged(self.path, f"tensor '{name}': nothing lies before its first part")
        try:
            return decode(data, shape, stream.dtype, context=context)
        except ArchiveError as error:
            damaged(self.path, f"tensor '{name}': {error}")

    def _take(self, count: int) -> bytes:
        found = self.source.read(count)
        if len(found) != count:
            damaged(self.path, "it ends too early")
        return found

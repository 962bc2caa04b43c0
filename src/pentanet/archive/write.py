"""From a model directory to an archive."""

from __future__ import annotations

import hashlib
import math
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from pathlib import Path
from typing import BinaryIO

from pentanet import atomic
from pentanet.archive import text
from pentanet.archive.choose import Choice, choose, encoded
from pentanet.archive.index import HEAD, STORED, TAIL, File, Index, Packed, render, valid_file
from pentanet.archive.report import Archived, Counts, Row
from pentanet.archive.streams import Levels, Part, Stream, streams
from pentanet.errors import ArchiveError, PentaNetError, UnreadableFileError, WriteError
from pentanet.format import header
from pentanet.format.header import NO_DIGEST, Header
from pentanet.format.model_dir import open_model
from pentanet.format.packed_model import CONFIG, TENSORS, PackedModel
from pentanet.kernels import native
from pentanet.regular import open_regular

Progress = Callable[[int, int], None]


def archive(
    model: str | Path, out: str | Path, *, overwrite: bool = False, progress: Progress = lambda done, total: None
) -> Archived:
    """Write a model directory as one file, from which `unarchive` makes every byte of it again.

    Args:
        model: the directory, of any layout and method; every file in it is kept, its name and content alone.
        out: the file to write.
        overwrite: replace a file that is there.
        progress: told how many tensors are done, of how many.

    Raises:
        ArchiveError: the directory holds what an archive does not: a folder, or a name that some system does not take.
        EngineError: the native engine was not compiled.
        FormatError: the directory is no model, or damaged: see `pentanet.format.model_dir.open_model`.
        WriteError: `out` is there, or the disk does not take it.
        UnconfirmedWriteError: the new file is in its place, but the disk did not confirm it.
    """
    native.require()
    model, out = Path(model), Path(out).resolve()
    packed = open_model(model)
    names = _files(model)
    if out.is_relative_to(model.resolve()):
        raise WriteError(out, "it would lie in the directory that is archived. Choose another place.")
    if out.is_dir() or (out.exists() and not overwrite):
        raise WriteError(out, "it is there already. Choose another name or pass --overwrite.")
    try:
        with atomic.scratch_dir(out) as scratch:
            with (scratch / out.name).open("wb") as file:
                writer = _Writer(file, packed, progress)
                writer.write(names)
            atomic.replace_files(scratch, out.parent, out.name)
    except PentaNetError:
        raise
    except OSError as error:
        raise WriteError(out, error.strerror or str(error)) from error
    size = out.stat().st_size
    frame = size - sum(row.bytes for row in writer.rows)
    return Archived(
        path=str(out),
        bytes=size,
        raw_bytes=sum(row.raw_bytes for row in writer.rows),
        entropy_bound_bytes=round(sum(row.entropy_bound_bytes for row in writer.rows)) + frame,
        streams=tuple(writer.rows),
    )


def _files(model: Path) -> list[str]:
    """config.json first, as the reader needs it for the tensors; these last, as they are most."""
    names = sorted(path.name for path in model.iterdir())
    for name in names:
        if not (model / name).is_file():
            raise ArchiveError(f"{model / name}: not a file, and an archive keeps files alone. Move it elsewhere.")
        if not valid_file(name):
            raise ArchiveError(f"{model / name}: a name that not every system can have. Rename it.")
    folded = [name.casefold() for name in names]
    for name in names:
        if folded.count(name.casefold()) > 1:
            raise ArchiveError(f"{model / name}: another file has this name but for capitals. Rename one.")
    return [CONFIG, *(name for name in names if name not in (CONFIG, TENSORS)), TENSORS]


@dataclass(slots=True)
class _Writer:
    file: BinaryIO
    model: PackedModel
    progress: Progress
    rows: list[Row] = field(default_factory=list[Row])

    def write(self, names: list[str]) -> None:
        """All of the archive."""
        digest = hashlib.sha256()
        write = self._through(digest.update)
        write(HEAD)
        files = [self._file(name, write) for name in names[:-1]]
        files.append(self._header(files, write))
        index = render(Index(tuple(files), tuple(self._tensors(write))))
        write(index + len(index).to_bytes(TAIL - digest.digest_size, "little"))
        self.file.write(digest.digest())

    def _through(self, update: Callable[[bytes], None]) -> text.Write:
        def write(data: bytes, /) -> None:
            update(data)
            self.file.write(data)

        return write

    def _file(self, name: str, write: text.Write) -> File:
        path = self.model.path / name
        try:
            source = open_regular(path)
        except OSError as error:
            raise UnreadableFileError(path, error) from error
        with source:
            size, digest, packed = text.compress(source, write)
        self.rows.append(Row(name=name, kind="file", codes=0, raw_bytes=size, bytes=packed, entropy_bound_bytes=packed))
        return File(name, size, digest, packed)

    def _header(self, files: list[File], write: text.Write) -> File:
        """The header of the tensors without the checksums that the reader can make again."""
        opened = self.model.tensor_file
        slots, seal = opened.header.slots, dict(opened.header.seal)
        seal |= {file.name: NO_DIGEST for file in files if seal.get(file.name) == file.sha256}
        bare = header.render(Header(slots, dict.fromkeys(opened.header.digests, NO_DIGEST), seal))
        packed = text.compressed(bare)
        write(packed)
        size = len(packed)
        raw = opened.nbytes - sum(entry.nbytes for entry in opened.entries.values())  # with the padding of tensors
        self.rows.append(Row(name=TENSORS, kind="header", codes=0, raw_bytes=raw, bytes=size, entropy_bound_bytes=size))
        return File(TENSORS, opened.nbytes, text.sha256(opened.path)[0], size)

    def _tensors(self, write: text.Write) -> Iterator[Packed]:
        entries = self.model.tensor_file.entries
        found = streams(self.model.specs, entries)
        for done, (name, stream) in enumerate(found.items()):
            self.progress(done, len(found))
            blocks: list[bytes] = []
            choices: list[Choice] = []
            counts = Counts(stream.parts)
            for start, stop in stream.chunks:
                blocks += self._chunk(stream, start, stop, choices, counts)
            raw = self.model.tensor_file.raw(name)
            coded = sum(map(len, blocks)) < raw.size
            data = blocks if coded else [raw.tobytes()]
            kind = "".join(choice.kind for choice in choices) if coded else STORED
            for block in data:
                write(block)
            sizes = tuple(map(len, data))
            self.rows.append(
                Row(
                    name=name,
                    kind="levels" if isinstance(stream, Levels) else "numbers",
                    codes=math.prod(stream.whole) * (stream.parts if isinstance(stream, Levels) else 1),
                    raw_bytes=raw.size,
                    bytes=sum(sizes),
                    entropy_bound_bytes=counts.bits / 8,
                )
            )
            yield Packed(kind, sizes)
        self.progress(len(found), len(found))

    def _chunk(self, stream: Stream, start: int, stop: int, choices: list[Choice], counts: Counts) -> Iterator[bytes]:
        """The parts of some rows.  The first rows of the tensor make the choices for all."""
        before: list[Part] = []
        for number, part in enumerate(stream.split(self.model, start, stop)):
            context = stream.context(before)
            if number == len(choices):
                choices.append(choose(part, context, stream.classes, math.prod(stream.whole)))
            counts.add(number, part)
            yield encoded(part, context, choices[number])
            before.append(part)

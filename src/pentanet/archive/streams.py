"""How the bytes of a stored tensor become matrices of integers, and back: what the coder sees.

Levels are integers as they are, each plane of a tensor of several by itself; the four inputs of a sparse block are one
integer.  Numbers are bytes, all highest ones first: sign and exponent hardly differ, the last bits say nothing.
"""

from __future__ import annotations

import math
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Protocol

import numpy as np
from numpy.typing import NDArray

from pentanet.errors import ArchiveError
from pentanet.format.codec import TILE_ROWS
from pentanet.format.header import Entry
from pentanet.format.layouts import layout
from pentanet.format.packed_model import PackedModel
from pentanet.format.sparse_codec import BLOCK, CODES, patterns
from pentanet.format.tensors import PLAIN_DTYPES, CodedSpec, TensorSpec

Bytes = NDArray[np.uint8]
Part = NDArray[np.int8] | Bytes
CHUNK = 1 << 22  # integers of a chunk: what is in memory at a time
MAX_INPUTS = 1 << 20  # of a coded matrix; a chunk has at least a tile of rows


class Stream(Protocol):
    """One stored tensor.  It is cut into chunks of rows, and these into parts, which are coded one after another.

    Attributes:
        parts: how many there are of each chunk.
        dtype: of the integers of a part.
        chunks: first row and row behind the last of each.
        classes: whether integers say how large they are, so that rows and columns can have unlike sizes.
    """

    @property
    def parts(self) -> int: ...
    @property
    def dtype(self) -> type[np.int8] | type[np.uint8]: ...
    @property
    def chunks(self) -> list[tuple[int, int]]: ...
    @property
    def classes(self) -> bool: ...

    @property
    def whole(self) -> tuple[int, int]:
        """Rows and columns of a part of all chunks."""
        ...

    def split(self, model: PackedModel, start: int, stop: int) -> list[Part]:
        """The parts of some rows.  Raises CodeError for bytes that no encoder writes."""
        ...

    def context(self, before: list[Part]) -> Bytes | None:
        """What the parts before say of the next one."""
        ...

    def join(self, parts: list[Part], start: int, stop: int) -> Bytes:
        """The bytes of some rows as they lie in the file.  Raises FormatError for integers that none can have."""
        ...


@dataclass(frozen=True, slots=True)
class Levels:
    """Codes of a matrix."""

    name: str
    spec: CodedSpec
    dtype = np.int8
    classes = True

    @property
    def parts(self) -> int:
        return self.spec.planes

    @property
    def sparse(self) -> bool:
        return layout(self.spec.layout).coder.block == BLOCK

    @property
    def chunks(self) -> list[tuple[int, int]]:
        if self.spec.inputs > MAX_INPUTS:
            raise ArchiveError(f"tensor '{self.name}': a matrix of more than {MAX_INPUTS} inputs is not archived")
        step = max(CHUNK // self.spec.inputs // TILE_ROWS, 1) * TILE_ROWS
        return _chunks(self.spec.shape[0], step)

    @property
    def whole(self) -> tuple[int, int]:
        rows, cols = self.spec.shape
        return rows, cols // BLOCK if self.sparse else cols

    def split(self, model: PackedModel, start: int, stop: int) -> list[Part]:
        levels = model.levels(self.name, start, stop)
        if self.sparse:
            levels = _code_of_digits()[_digits(levels)]
        return [np.ascontiguousarray(part) for part in np.split(levels, self.spec.planes, axis=1)]

    def context(self, before: list[Part]) -> Bytes | None:
        found = np.zeros(before[0].shape, np.uint8) if before else None
        for part in before:
            assert found is not None
            found = found * np.uint8(3) + (part + 1).astype(np.uint8)
        return found

    def join(self, parts: list[Part], start: int, stop: int) -> Bytes:
        levels = np.concatenate([part.view(np.int8) for part in parts], axis=1)
        if self.sparse:
            if (levels < 0).any() or (levels >= CODES).any():
                raise ArchiveError(f"tensor '{self.name}': a code that is none of {CODES}")
            levels = patterns()[levels].reshape(len(levels), self.spec.inputs)
        stored = layout(self.spec.layout)
        packed = stored.encode(levels, self.spec.grid, self.name)
        tile, rows = stored.tile_bytes(self.spec.inputs), self.spec.shape[0]
        used = -(-(stop - start) // TILE_ROWS) * tile
        tail = stored.packed_size(rows, self.spec.inputs) - -(-rows // TILE_ROWS) * tile if stop == rows else 0
        return np.concatenate([packed[:used], np.zeros(tail, np.uint8)])


@dataclass(frozen=True, slots=True)
class Numbers:
    """Scales, a bias or plain values: `size` bytes each, lowest first."""

    name: str
    size: int
    rows: int
    cols: int
    dtype = np.uint8
    classes = False

    @property
    def parts(self) -> int:
        return self.size

    @property
    def chunks(self) -> list[tuple[int, int]]:
        return _chunks(self.rows, max(CHUNK // self.cols, 1))

    @property
    def whole(self) -> tuple[int, int]:
        return self.rows, self.cols

    def split(self, model: PackedModel, start: int, stop: int) -> list[Part]:
        row = self.cols * self.size
        raw = model.tensor_file.raw(self.name)[start * row : stop * row].reshape(stop - start, self.cols, self.size)
        return [np.ascontiguousarray(raw[:, :, place]) for place in reversed(range(self.size))]

    def context(self, before: list[Part]) -> Bytes | None:
        return before[-1].view(np.uint8) if before else None

    def join(self, parts: list[Part], start: int, stop: int) -> Bytes:
        return np.ascontiguousarray(np.stack(parts[::-1], axis=2)).reshape(-1).view(np.uint8)


def streams(specs: Mapping[str, TensorSpec], entries: Mapping[str, Entry]) -> dict[str, Stream]:
    """The stream of each stored tensor, in the order of `entries`."""
    found: dict[str, Stream] = {}
    for name, entry in entries.items():
        spec = specs.get(name)
        if isinstance(spec, CodedSpec):
            found[name] = Levels(name, spec)
        else:
            found[name] = _numbers(name, entry)
    return found


def _numbers(name: str, entry: Entry) -> Numbers:
    """One row for each index but the last; a row that is too long for a chunk is cut where it can be."""
    assert entry.dtype in PLAIN_DTYPES.values(), entry.dtype
    count = math.prod(entry.shape)
    cols = entry.shape[-1] if entry.shape else 1
    return Numbers(name, entry.nbytes // count, count // cols, cols) if cols <= CHUNK else _long(name, entry, count)


def _long(name: str, entry: Entry, count: int) -> Numbers:
    return Numbers(name, entry.nbytes // count, count, 1)


def _chunks(rows: int, step: int) -> list[tuple[int, int]]:
    return [(start, min(start + step, rows)) for start in range(0, rows, step)]


def _digits(levels: NDArray[np.int8]) -> NDArray[np.uint8]:
    """Of each four levels in a row, the number that their digits to base 3 make."""
    digits = (levels + 1).view(np.uint8).reshape(len(levels), -1, BLOCK)
    return (
        digits[:, :, 0] + digits[:, :, 1] * np.uint8(3) + digits[:, :, 2] * np.uint8(9) + digits[:, :, 3] * np.uint8(27)
    )


def _code_of_digits() -> NDArray[np.int8]:
    table = np.zeros(3**BLOCK, np.int8)
    table[_digits(patterns().reshape(1, -1))[0]] = np.arange(CODES)
    return table

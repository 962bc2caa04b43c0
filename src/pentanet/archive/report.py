"""What an archive holds, stream by stream."""

from __future__ import annotations

from collections import defaultdict
from dataclasses import asdict, dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray


@dataclass(frozen=True, kw_only=True, slots=True)
class Row:
    """One stream.

    Attributes:
        name: of the tensor, or the file.
        kind: "levels", "numbers" (scales, biases, plain values), "header" or "file".
        codes: levels or numbers that it holds; 0 for files.
        raw_bytes: in the directory.
        bytes: in the archive.
        entropy_bound_bytes: what the best code takes whose table for the whole stream the reader knows beforehand: the
            order-0 entropy of its levels, or of each byte of its numbers; for files what they take.
    """

    name: str
    kind: str
    codes: int
    raw_bytes: int
    bytes: int
    entropy_bound_bytes: float


@dataclass(frozen=True, kw_only=True, slots=True)
class Archived:
    """A whole archive.

    Attributes:
        path: the archive.
        bytes: of the file.
        raw_bytes: of all files of the directory.
        entropy_bound_bytes: of all streams, and the bytes of the frame.
        streams: one row each, in their order.
    """

    path: str
    bytes: int
    raw_bytes: int
    entropy_bound_bytes: int
    streams: tuple[Row, ...]

    def to_dict(self) -> dict[str, Any]:
        """The fields as JSON can hold them."""
        return asdict(self) | {"streams": [asdict(row) for row in self.streams]}

    def kinds(self) -> dict[str, tuple[int, int, int, float]]:
        """(codes, raw bytes, bytes, bound) of each kind of stream."""
        found: dict[str, tuple[int, int, int, float]] = defaultdict(lambda: (0, 0, 0, 0.0))
        for row in self.streams:
            codes, raw, packed, bound = found[row.kind]
            more = row.codes, row.raw_bytes, row.bytes, row.entropy_bound_bytes
            found[row.kind] = codes + more[0], raw + more[1], packed + more[2], bound + more[3]
        return dict(found)


class Counts:
    """Occurrences of bytes, a row for each part of a stream, and the entropy that they have."""

    def __init__(self, parts: int) -> None:
        self._counts = np.zeros((parts, 256), np.int64)

    def add(self, part: int, values: NDArray[np.int8] | NDArray[np.uint8]) -> None:
        """Count some more of a part."""
        self._counts[part] += np.bincount(values.reshape(-1).view(np.uint8), minlength=256)

    @property
    def bits(self) -> float:
        """Order-0 entropy of all of them."""
        total = self._counts.sum(axis=1, keepdims=True)
        share = self._counts / np.maximum(total, 1)
        return float(-(self._counts * np.log2(share, where=share > 0, out=np.zeros_like(share))).sum())

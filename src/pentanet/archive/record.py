"""The artifact of the quinary record of parameter-golf (pull request 2086), so that the comparison with it is ours.

A matrix of levels -2..2 becomes bytes in one of four layouts, whichever LZMA makes smallest: three digits in a byte, or
bit masks of zeros, signs and twos, of the matrix or of its transpose. The bytes then go through LZMA, or lrzip where
that is smaller. An artifact is, with numbers of the lowest byte first:

    0x03 | size (u32), metadata by LZMA | number of payloads (u32) | method (u8: 0 LZMA, 1 lrzip), size (u32), body ...

What the metadata says is the record's own, a pickle, which nothing here opens.
"""

from __future__ import annotations

import lzma
import shutil
import struct
import subprocess
import tempfile
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from pentanet.errors import ArchiveError

Levels = NDArray[np.int8]
LAYOUTS = ("base5", "base5_T", "bitmask", "bitmask_T")
LZMA, LRZIP = 0, 1
_MARK = 3
_PLACES = np.array([1, 5, 25], np.uint8)
_MEMORY = 1 << 27  # of an LZMA decoder; preset 9 takes half of it
_SECONDS = 600  # for lrzip


@dataclass(frozen=True, slots=True)
class Payload:
    """A compressed stream: LZMA or LRZIP, and its bytes."""

    method: int
    body: bytes


def pack(levels: Levels, layout: str) -> bytes:
    """Levels -2..2 [rows, cols] in a layout.  Raises ArchiveError for other levels."""
    if levels.size and (levels.min() < -2 or levels.max() > 2):
        raise ArchiveError("the record's layouts hold the levels -2 to 2")
    flat = (levels.T if layout.endswith("_T") else levels).reshape(-1)
    if layout.startswith("bitmask"):
        rest = flat[flat != 0]
        return b"".join(np.packbits(mask).tobytes() for mask in (flat == 0, rest < 0, np.abs(rest) == 2))
    digits = np.zeros(-(-flat.size // 3) * 3, np.uint8)
    digits[: flat.size] = (flat + 2).view(np.uint8)
    return (digits.reshape(-1, 3) * _PLACES).sum(axis=1, dtype=np.uint8).tobytes()


def unpack(data: bytes, shape: tuple[int, int], layout: str) -> Levels:
    """Levels of the bytes that `pack` makes.  Raises ArchiveError for all others."""
    rows, cols = shape
    raw, count = np.frombuffer(data, np.uint8), rows * cols
    flat = _unmask(raw, count) if layout.startswith("bitmask") else _undigit(raw, count)
    found = np.ascontiguousarray(flat.reshape(cols, rows).T if layout.endswith("_T") else flat.reshape(rows, cols))
    if pack(found, layout) != data:
        raise ArchiveError(f"bytes that are no {layout} of a matrix {list(shape)}")
    return found


def has_lrzip() -> bool:
    """Whether the program is installed."""
    return shutil.which("lrzip") is not None


def best(levels: Levels, *, lrzip: bool | None = None) -> tuple[str, Payload]:
    """The layout and the payload that the record's rule chooses.

    Args:
        levels: -2..2 [rows, cols].
        lrzip: whether to try lrzip too; by default where it is installed.
    """
    packed = {layout: pack(levels, layout) for layout in LAYOUTS}
    bodies = {layout: lzma.compress(data, preset=9) for layout, data in packed.items()}
    layout = min(LAYOUTS, key=lambda name: len(bodies[name]))
    return layout, smaller(packed[layout], bodies[layout], lrzip=lrzip)


def smaller(data: bytes, body: bytes | None = None, *, lrzip: bool | None = None) -> Payload:
    """Bytes by LZMA, or by lrzip where that is smaller; `body` is what LZMA makes of them, if that is known."""
    found = Payload(LZMA, lzma.compress(data, preset=9) if body is None else body)
    if has_lrzip() if lrzip is None else lrzip:
        other = Payload(LRZIP, _lrzip(data, "-z", "-L", "9"))
        return min(found, other, key=lambda payload: len(payload.body))
    return found


def write_artifact(metadata: bytes, payloads: Sequence[Payload]) -> bytes:
    """The bytes of an artifact; `metadata` before compression."""
    packed = lzma.compress(metadata, preset=9)
    parts = [struct.pack("<BI", _MARK, len(packed)), packed, struct.pack("<I", len(payloads))]
    for payload in payloads:
        parts += [struct.pack("<BI", payload.method, len(payload.body)), payload.body]
    return b"".join(parts)


def read_artifact(data: bytes, *, limit: int = 1 << 28) -> tuple[bytes, list[bytes]]:
    """Metadata and payloads of an artifact, expanded.

    Args:
        data: of the whole artifact.
        limit: bytes that each of them may have.

    Raises:
        ArchiveError: it is damaged; one of its streams is larger; lrzip is needed and not installed.
    """
    reader = _Reader(data)
    if reader.number(1) != _MARK:
        raise ArchiveError("not an artifact of the record: it does not begin with byte 3")
    metadata = expand(Payload(LZMA, reader.take(reader.number(4))), limit)
    payloads = [Payload(reader.number(1), reader.take(reader.number(4))) for _ in reader.times(reader.number(4))]
    if reader.rest:
        raise ArchiveError(f"damaged artifact: {len(reader.rest)} bytes behind its end")
    return metadata, [expand(payload, limit) for payload in payloads]


def expand(payload: Payload, limit: int) -> bytes:
    """The bytes of a payload.  Raises as `read_artifact`."""
    if payload.method == LRZIP:
        found = _lrzip(payload.body, "-d")
    elif payload.method != LZMA:
        raise ArchiveError(f"damaged artifact: method {payload.method} is neither LZMA (0) nor lrzip (1)")
    else:
        decoder = lzma.LZMADecompressor(lzma.FORMAT_XZ, memlimit=_MEMORY)
        try:
            found = decoder.decompress(payload.body, max_length=limit + 1)
        except lzma.LZMAError as error:
            raise ArchiveError(f"damaged artifact: {error}") from None
        if len(found) <= limit and (not decoder.eof or decoder.unused_data):
            raise ArchiveError("damaged artifact: a stream of LZMA that is not whole")
    if len(found) > limit:
        raise ArchiveError(f"a stream of more than {limit} bytes")
    return found


class _Reader:
    def __init__(self, data: bytes) -> None:
        self.rest = data

    def take(self, count: int) -> bytes:
        if count > len(self.rest):
            raise ArchiveError("damaged artifact: it ends too early")
        found, self.rest = self.rest[:count], self.rest[count:]
        return found

    def number(self, size: int) -> int:
        return int.from_bytes(self.take(size), "little")

    def times(self, count: int) -> range:
        """`count` times, unless the bytes cannot hold so many payloads."""
        if 5 * count > len(self.rest):
            raise ArchiveError(f"damaged artifact: {count} payloads in {len(self.rest)} bytes")
        return range(count)


def _undigit(raw: NDArray[np.uint8], count: int) -> Levels:
    digits = raw[:, None] // _PLACES % np.uint8(5)
    if digits.size < count:
        raise ArchiveError(f"{raw.size} bytes of base 5 do not hold {count} levels")
    return digits.reshape(-1)[:count].view(np.int8) - np.int8(2)


def _unmask(raw: NDArray[np.uint8], count: int) -> Levels:
    bits = -(-count // 8)
    zero = np.unpackbits(raw[:bits], count=count).view(bool) if raw.size >= bits else np.ones(count, bool)
    rest = int(count - zero.sum())
    size = -(-rest // 8)
    if raw.size != bits + 2 * size:
        raise ArchiveError(f"{raw.size} bytes of bit masks do not fit {count} levels")
    negative = np.unpackbits(raw[bits : bits + size], count=rest).view(np.int8)
    two = np.unpackbits(raw[bits + size :], count=rest).view(np.int8)
    flat = np.zeros(count, np.int8)
    flat[~zero] = (1 + two) * (1 - 2 * negative)
    return flat


def _lrzip(data: bytes, *options: str) -> bytes:
    program = shutil.which("lrzip")
    if program is None:
        raise ArchiveError("a stream of lrzip, which is not installed here: install the program (Debian: lrzip)")
    with tempfile.TemporaryDirectory(prefix="pentanet-lrzip-") as folder:
        source, made = Path(folder, "in.lrz"), Path(folder, "out")
        source.write_bytes(data)
        call = [program, "-q", "-f", *options, "-o", str(made), str(source)]
        try:
            done = subprocess.run(call, capture_output=True, timeout=_SECONDS, check=False)
        except subprocess.TimeoutExpired:
            raise ArchiveError(f"lrzip took longer than {_SECONDS} seconds") from None
        if done.returncode != 0 or not made.is_file():
            raise ArchiveError(f"lrzip refused a stream: {done.stderr[-200:].decode(errors='replace').strip()}")
        return made.read_bytes()

"""The header of a tensor file: which tensor lies where, the checksum of each, and the seal of the files beside it.

This is a strict profile of safetensors.  For given names, types, shapes and seal there is one right header: tensors
follow each other in the order of the JSON, every one starts on 64 bytes of the file, and gaps are filled by padding
tensors of zeros (safetensors forbids holes).  So reading ends with the one check that nothing slips through: the
header must be, byte for byte, what `render` makes of its own meaning.
"""

from __future__ import annotations

import json
import math
import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, NoReturn, cast

from pentanet.errors import HeaderError, TruncatedFileError, VersionError, shown
from pentanet.format.seal import SEALED

FORMAT_VERSION = 1
ALIGNMENT = 64
LENGTH_BYTES = 8  # the file starts with the size of the JSON, little-endian
MAX_HEADER = 1 << 24  # bytes of JSON; 60,000 tensors fit
MAX_DIMENSIONS = 8
ITEM_BYTES = {"U8": 1, "BF16": 2, "F32": 4}
NO_DIGEST = "0" * 64

_NAME = re.compile(r"(?!__)[A-Za-z0-9_.\-]{1,255}")
_PAD = re.compile(r"__pad_(0|[1-9][0-9]{0,8})")
_DIGEST = re.compile(r"[0-9a-f]{64}")
_VERSION_KEY = "pentanet_format_version"
_SEAL, _TENSOR = "seal:", "sha256:"


@dataclass(frozen=True, slots=True)
class Entry:
    """Type and shape of a stored tensor; `dtype` is a key of ITEM_BYTES."""

    dtype: str
    shape: tuple[int, ...]

    @property
    def nbytes(self) -> int:
        """Bytes of the tensor without padding."""
        return math.prod(self.shape) * ITEM_BYTES[self.dtype]


@dataclass(frozen=True, slots=True)
class Slot:
    """A tensor and its place: bytes start..stop-1 after the header."""

    entry: Entry
    start: int
    stop: int


@dataclass(frozen=True, slots=True)
class Header:
    """What a header says.

    Attributes:
        slots: all tensors in file order, padding included.
        digests: hex sha256 of each tensor but padding.
        seal: hex sha256 of the files beside it, in the order of SEALED: see `format.seal`; empty for none.
    """

    slots: Mapping[str, Slot]
    digests: Mapping[str, str]
    seal: Mapping[str, str]


def valid_name(name: str) -> bool:
    """Whether a tensor may have this name: 1 to 255 letters, digits, `_`, `.` or `-`, not starting with `__`."""
    return _NAME.fullmatch(name) is not None


def is_padding(name: str) -> bool:
    """Whether the name is that of a padding tensor, `__pad_0`, `__pad_1`, ..."""
    return _PAD.fullmatch(name) is not None


def place(entries: Mapping[str, Entry]) -> dict[str, Slot]:
    """Put tensors one after another, with padding between them where the next would not start on 64 bytes."""
    slots: dict[str, Slot] = {}
    end = pads = 0
    for name, entry in entries.items():
        if gap := -end % ALIGNMENT:
            slots[f"__pad_{pads}"] = Slot(Entry("U8", (gap,)), end, end + gap)
            pads += 1
            end += gap
        slots[name] = Slot(entry, end, end + entry.nbytes)
        end += entry.nbytes
    return slots


def render(header: Header) -> bytes:
    """The bytes before the first tensor: length, JSON, and spaces up to a multiple of 64.

    Their number does not depend on what the checksums are.
    """
    metadata = {"format": "pt", _VERSION_KEY: str(FORMAT_VERSION)}
    metadata.update((f"{_SEAL}{name}", header.seal[name]) for name in SEALED if name in header.seal)
    metadata.update((f"{_TENSOR}{name}", header.digests[name]) for name in header.slots if not is_padding(name))
    tree: dict[str, object] = {"__metadata__": metadata}
    for name, slot in header.slots.items():
        offsets = [slot.start, slot.stop]
        tree[name] = {"dtype": slot.entry.dtype, "shape": list(slot.entry.shape), "data_offsets": offsets}
    text = json.dumps(tree, separators=(",", ":")).encode("ascii")
    text += b" " * (-(LENGTH_BYTES + len(text)) % ALIGNMENT)
    return len(text).to_bytes(LENGTH_BYTES, "little") + text


def header_size(start: bytes, file_bytes: int, path: Path) -> int:
    """Bytes before the first tensor, from the first 8 bytes of the file.

    Raises:
        TruncatedFileError: the file ends within the header.
        HeaderError: a header that is empty or too large.
    """
    if len(start) < LENGTH_BYTES:
        raise TruncatedFileError(f"{path}: {file_bytes} bytes are no tensor file. Copy it again.")
    size = int.from_bytes(start, "little")
    if not 2 <= size <= MAX_HEADER:
        raise HeaderError(
            f"{path}: a header of {size} bytes (2 to {MAX_HEADER} can be). Not a tensor file, or damaged."
        )
    if LENGTH_BYTES + size > file_bytes:
        raise TruncatedFileError(
            f"{path}: the header ends at byte {LENGTH_BYTES + size}, the file at {file_bytes}. Copy it again."
        )
    return LENGTH_BYTES + size


def parse(header: bytes, data_bytes: int, path: Path) -> Header:
    """Read a header and believe nothing of it.

    Args:
        header: everything before the first tensor, the 8 bytes of its length included.
        data_bytes: size of the rest of the file.
        path: the file, for messages.

    Raises:
        HeaderError: it is not the canonical header of any set of tensors.
        VersionError: a format version that this release does not read.
        TruncatedFileError: the tensors need more bytes than there are.
    """
    tree = strict_json(header[LENGTH_BYTES:], path)
    metadata = tree.pop("__metadata__", None)
    _check_metadata(metadata, path)
    slots = {name: _slot(name, value, path) for name, value in tree.items()}
    _check_places(slots, data_bytes, path)
    named = cast("dict[str, object]", metadata)
    found = Header(
        slots=slots,
        digests={name: _digest(named, _TENSOR, name, path) for name in slots if not is_padding(name)},
        seal={name: _digest(named, _SEAL, name, path) for name in SEALED if f"{_SEAL}{name}" in named},
    )
    if found.seal and SEALED[0] not in found.seal:
        _fail(path, f"its seal does not name {SEALED[0]}")
    if render(found) != header:
        _fail(path, "the header is not in canonical form")
    return found


def strict_json(raw: bytes, path: Path) -> dict[str, Any]:
    """Parse a JSON object; no duplicate keys, no NaN, no infinity.

    Raises:
        HeaderError: anything else.
    """

    def unique(pairs: Sequence[tuple[str, Any]]) -> dict[str, Any]:
        found: dict[str, Any] = {}
        for name, value in pairs:  # one pass: a file of a million keys, of which the last is double, takes no longer
            if name in found:
                _fail(path, f"duplicate key '{shown(name)}'")
            found[name] = value
        return found

    def constant(text: str) -> NoReturn:
        _fail(path, f"{text} is not JSON")

    def finite(text: str) -> float:
        if math.isinf(found := float(text)):
            _fail(path, f"{text:.40} is too large a number")
        return found

    try:
        tree = json.loads(raw.decode("utf-8"), object_pairs_hook=unique, parse_constant=constant, parse_float=finite)
    except (ValueError, RecursionError) as error:  # not UTF-8, not JSON, numbers of thousands of digits, deep nesting
        _fail(path, f"not JSON ({shown(str(error))})")
    if not isinstance(tree, dict):
        _fail(path, "not a JSON object")
    return cast("dict[str, Any]", tree)


def _check_metadata(metadata: object, path: Path) -> None:
    if not isinstance(metadata, dict) or _VERSION_KEY not in metadata:
        _fail(
            path, f"no '{_VERSION_KEY}' in its metadata: not written by pentanet. Pack the model with `pentanet pack`"
        )
    version = cast("dict[str, object]", metadata)[_VERSION_KEY]
    if version != str(FORMAT_VERSION):
        raise VersionError(
            f"{path}: format version {shown(repr(version))}, but this release reads {FORMAT_VERSION}. "
            "Pack the model again, or use another release of pentanet."
        )


def _slot(name: str, value: object, path: Path) -> Slot:
    if not (valid_name(name) or is_padding(name)):
        _fail(path, f"tensor {shown(repr(name))}: not a valid name")
    if not isinstance(value, dict) or list(cast("dict[str, object]", value)) != ["dtype", "shape", "data_offsets"]:
        _fail(path, f"tensor '{name}': needs dtype, shape and data_offsets, in this order")
    fields = cast("dict[str, object]", value)
    dtype, shape, offsets = fields["dtype"], _naturals(fields["shape"]), _naturals(fields["data_offsets"])
    if not isinstance(dtype, str) or dtype not in ITEM_BYTES:
        _fail(path, f"tensor '{name}': dtype {shown(repr(dtype))} is none of {', '.join(ITEM_BYTES)}")
    if shape is None or 0 in shape or len(shape) > MAX_DIMENSIONS:
        _fail(path, f"tensor '{name}': its shape is not a list of up to {MAX_DIMENSIONS} positive integers")
    if offsets is None or len(offsets) != 2:
        _fail(path, f"tensor '{name}': its data_offsets are not two natural numbers")
    return Slot(Entry(dtype, shape), offsets[0], offsets[1])


def _naturals(value: object) -> tuple[int, ...] | None:
    items = cast("list[object]", value) if isinstance(value, list) else [None]
    numbers = tuple(item for item in items if type(item) is int and item >= 0)  # type(): True is an int as well
    return numbers if len(numbers) == len(items) else None


def _check_places(slots: Mapping[str, Slot], data_bytes: int, path: Path) -> None:
    end = 0
    for name, slot in slots.items():
        if slot.start < end:
            _fail(path, f"tensor '{name}': overlaps the one before it by {end - slot.start} bytes")
        if slot.start > end:
            _fail(path, f"tensor '{name}': {slot.start - end} bytes before it belong to no tensor")
        if slot.stop - slot.start != slot.entry.nbytes:
            _fail(
                path,
                f"tensor '{name}': {slot.entry.dtype} {list(slot.entry.shape)} takes {slot.entry.nbytes} bytes, "
                f"but its offsets say {slot.stop - slot.start}",
            )
        end = slot.stop
    if place({name: slot.entry for name, slot in slots.items() if not is_padding(name)}) != dict(slots):
        _fail(path, f"tensors do not start on multiples of {ALIGNMENT} bytes, or padding is where none is needed")
    if end > data_bytes:
        raise TruncatedFileError(f"{path}: tensors take {end} bytes, but there are {data_bytes}. Copy it again.")
    if end < data_bytes:
        _fail(path, f"{data_bytes - end} bytes after the last tensor")


def _digest(metadata: Mapping[str, object], kind: str, name: str, path: Path) -> str:
    digest = metadata.get(f"{kind}{name}")
    if not isinstance(digest, str) or not _DIGEST.fullmatch(digest):
        what = f"tensor '{name}'" if kind == _TENSOR else name
        _fail(path, f"{what}: no sha256 of it in the metadata")
    return digest


def _fail(path: Path, what: str) -> NoReturn:
    raise HeaderError(f"{path}: {what}. The file is damaged or was not written by pentanet; copy or pack it again.")

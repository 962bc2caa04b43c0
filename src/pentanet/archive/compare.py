"""An archive beside the record's route for the same weights, and how fast its levels are coded."""

from __future__ import annotations

import json
import time
from collections.abc import Callable
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

import numpy as np

from pentanet.archive import record
from pentanet.archive.choose import Choice, choose, encoded
from pentanet.archive.coder import decode
from pentanet.archive.streams import Levels, Part, streams
from pentanet.format.model_dir import open_model
from pentanet.format.packed_model import TENSORS, PackedModel
from pentanet.format.tensors import CodedSpec
from pentanet.kernels import native

_OWN_PAYLOAD = 1 << 16  # bytes; what is smaller lies in the metadata together
Progress = Callable[[int, int], None]


@dataclass(frozen=True, kw_only=True, slots=True)
class Compared:
    """What `compare` found.

    Attributes:
        record_bytes: of the artifact that the record's rules make of the directory: levels as `record.best` stores
            them, other streams and files of 64 KiB or more by LZMA, or lrzip, each, the rest by LZMA together. Scales
            are kept exactly; the record rounds them.
        lrzip: whether lrzip was there to be tried.
        codes: levels that were coded and decoded, and came out the same.
        encode_per_second, decode_per_second: levels, one byte each before; in the time of one core, with the choice
            of contexts and without files.
    """

    record_bytes: int
    lrzip: bool
    codes: int
    encode_per_second: float
    decode_per_second: float

    def to_dict(self) -> dict[str, Any]:
        """The fields as JSON can hold them."""
        return asdict(self)


def compare(model: str | Path, *, progress: Progress = lambda done, total: None) -> Compared:
    """Measure what an archive of a model directory stands beside.  It takes a while: the record's route is slow.

    Args:
        model: the directory.
        progress: told how many tensors are done, of how many.

    Raises:
        EngineError: the native engine was not compiled.
        FormatError: the directory is no model, or damaged.
    """
    native.require()
    opened = open_model(Path(model))
    small: list[bytes] = [path.read_bytes() for path in sorted(Path(model).iterdir()) if path.name != TENSORS]
    payloads: list[record.Payload] = []
    names: list[object] = []
    times = _Times()
    found = streams(opened.specs, opened.tensor_file.entries)
    for done, (name, stream) in enumerate(found.items()):
        progress(done, len(found))
        spec = opened.specs.get(name)
        if isinstance(stream, Levels):
            times.add(opened, stream)
        if isinstance(spec, CodedSpec) and spec.grid.size == 5 and spec.grid.spacing == 1:
            layout, payload = record.best(opened.levels(name, 0, spec.shape[0]))
            payloads.append(payload)
            names.append([name, layout, spec.shape])
        else:
            small.append(opened.tensor_file.raw(name).tobytes())
            names.append(name)
    large = [data for data in small if len(data) >= _OWN_PAYLOAD]
    payloads += [record.smaller(data) for data in large]
    metadata = json.dumps(names).encode() + b"".join(data for data in small if len(data) < _OWN_PAYLOAD)
    progress(len(found), len(found))
    return Compared(
        record_bytes=len(record.write_artifact(metadata, payloads)),
        lrzip=record.has_lrzip(),
        codes=times.codes,
        encode_per_second=times.codes / max(times.encode, 1e-9),
        decode_per_second=times.codes / max(times.decode, 1e-9),
    )


@dataclass(slots=True)
class _Times:
    codes: int = 0
    encode: float = 0.0
    decode: float = 0.0

    def add(self, model: PackedModel, stream: Levels) -> None:
        """Code and decode a tensor, as an archive does."""
        choices: list[Choice] = []
        for start, stop in stream.chunks:
            before: list[Part] = []
            for number, part in enumerate(stream.split(model, start, stop)):
                context = stream.context(before)
                begin = time.thread_time()
                if number == len(choices):
                    choices.append(choose(part, context, stream.classes, stream.whole[0] * stream.whole[1]))
                choice = choices[number]
                data = encoded(part, context, choice)
                middle = time.thread_time()
                again = (
                    part
                    if choice.raw
                    else decode(data, part.shape, stream.dtype, context=context if choice.context else None)
                )
                self.decode += time.thread_time() - middle
                self.encode += middle - begin
                assert np.array_equal(again, part), f"{stream.name}: the coder is not its own inverse"
                self.codes += part.size
                before.append(part)

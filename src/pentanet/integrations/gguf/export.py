"""From a packed model directory to a GGUF file that stock llama.cpp runs."""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Iterator
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

import numpy as np

from pentanet import __version__, atomic
from pentanet.errors import WriteError
from pentanet.format.packed_model import PackedModel
from pentanet.format.tensors import CodedSpec, to_bfloat16
from pentanet.gguf import package
from pentanet.gguf.architecture import architecture
from pentanet.gguf.choose_block import Stored, Ternary, store
from pentanet.gguf.row_order import gguf_order, permute
from pentanet.integrations.gguf.tokenizer import write_tokenizer
from pentanet.runtime.open import open_config, read_tokenizer


@dataclass(frozen=True, kw_only=True, slots=True)
class Exported:
    """What was written.

    Attributes:
        path: the file.
        architecture: llama.cpp's name of the network.
        bytes: of the file, tokenizer and all.
        parameters: weights of the model; one that head and embedding share counts once.
        bits_per_weight: of the whole file.
        types: number of tensors of each type of llama.cpp.
        largest_scale_error: relative, from rounding scales to float16; 0 means that every weight is the same bits.
    """

    path: str
    architecture: str
    bytes: int
    parameters: int
    bits_per_weight: float
    types: dict[str, int]
    largest_scale_error: float

    def to_dict(self) -> dict[str, Any]:
        """The fields as JSON can hold them."""
        return asdict(self)


def export(
    model: str | Path,
    out: str | Path,
    *,
    ternary: Ternary = "TQ2_0",
    overwrite: bool = False,
    progress: Callable[[int, int], None] = lambda done, total: None,
) -> Exported:
    """Write a packed model as GGUF.

    Levels go over unchanged, into the smallest type that holds them; scales are rounded to float16, unless they are
    float16 already.  See `pentanet.gguf.choose_block`.

    Args:
        model: the directory.
        out: the file to write.
        ternary: type of ternary matrices: TQ2_0 is faster, TQ1_0 smaller.
        overwrite: replace a file that is there.
        progress: told how many tensors are done, of how many.

    Raises:
        MissingExtraError: the package gguf is not installed.
        ExportError: llama.cpp does not have this network or tokenizer.
        WriteError: `out` is there, or the disk does not take it.
        UnconfirmedWriteError: the new file is in its place, but the disk did not confirm it.
        FormatError: the directory is damaged: see `pentanet.runtime.load.load`.
    """
    out = Path(out)
    gguf = package.load()
    packed, config, vocab = open_config(model)
    arch, names = architecture(packed, config)
    out = out.resolve()
    if out.is_dir() or (out.exists() and not overwrite):
        raise WriteError(out, "it is there already. Choose another name or pass --overwrite.")
    types: Counter[str] = Counter()
    worst = 0.0
    try:
        with atomic.scratch_dir(out) as scratch:
            writer = gguf.GGUFWriter(str(scratch / out.name), arch, use_temp_file=True)
            _general(writer, packed)
            names.describe(writer, config, vocab, gguf)
            write_tokenizer(writer, read_tokenizer(packed, vocab), packed.config, packed.path)
            for done, name in enumerate(packed.names):
                progress(done, len(packed.names))
                for part, stored in _tensors(packed, name, names.heads(name, config, arch), ternary):
                    _add(writer, gguf, names.theirs(part), stored)
                    types[stored.kind] += 1
                    worst = max(worst, stored.error)
            for name, values in names.constants_of(config).items():
                _add(writer, gguf, name, Stored(kind="F32", data=values))
                types["F32"] += 1
            package.write(writer)
            atomic.replace_files(scratch, out.parent, out.name)
    except OSError as error:
        raise WriteError(out, error.strerror or str(error)) from error
    progress(len(packed.names), len(packed.names))
    parameters = sum(spec.parameters for spec in packed.specs.values())
    size = out.stat().st_size
    return Exported(
        path=str(out),
        architecture=arch,
        bytes=size,
        parameters=parameters,
        bits_per_weight=8 * size / parameters,
        types=dict(types.most_common()),
        largest_scale_error=worst,
    )


def _general(writer: Any, packed: PackedModel) -> None:
    writer.add_name(packed.path.resolve().name)
    writer.add_description(f"weight method {packed.method}, written by pentanet {__version__}")
    writer.add_quantization_version(2)


def _tensors(packed: PackedModel, name: str, heads: int, ternary: Ternary) -> Iterator[tuple[str, Stored]]:
    """A tensor of the directory, and its bias, under our names; the rows of `heads` heads change their order."""
    spec = packed.spec(name)
    if not isinstance(spec, CodedSpec):
        values = packed.plain(name)
        if heads:
            values = values[gguf_order(len(values), heads)]
        if spec.dtype == "bfloat16" and values.ndim == 2:
            yield name, Stored(kind="BF16", data=to_bfloat16(values).view(np.uint8))
        else:
            yield name, Stored(kind="F32", data=values)
        return
    codes = packed.codes(name)
    if heads:
        codes = permute(codes, gguf_order(codes.shape[0], heads))
    yield name, store(codes, ternary)
    if codes.bias is not None:
        yield f"{name.removesuffix('.weight')}.bias", Stored(kind="F32", data=codes.bias)


def _add(writer: Any, gguf: Any, name: str, stored: Stored) -> None:
    raw = stored.data.dtype == np.uint8
    kind = gguf.GGMLQuantizationType[stored.kind]
    writer.add_tensor(name, np.ascontiguousarray(stored.data), raw_dtype=kind if raw else None)

"""The model directory: config.json, model.safetensors, tokenizer.json and README.md.

docs/format.md has the specification.  The reader checks all of it before it hands out a number; the writer makes the
directory beside its place and moves it there when it is whole.
"""

from __future__ import annotations

import json
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any, cast

import numpy as np
from numpy.typing import NDArray

from pentanet import atomic
from pentanet.codes import Codes
from pentanet.errors import (
    HeaderError,
    MissingFileError,
    MissingTensorError,
    ModelConfigError,
    ShapeError,
    UnexpectedTensorError,
    UnknownNameError,
    UnpackableError,
    UnreadableFileError,
    VersionError,
    WriteError,
    did_you_mean,
)
from pentanet.pack import container, layouts
from pentanet.pack.container import Container
from pentanet.pack.header import FORMAT_VERSION, Entry, strict_json, valid_name
from pentanet.pack.tensors import (
    CodedSpec,
    PlainSpec,
    Tensor,
    TensorSpec,
    check_scales,
    from_bfloat16,
    scale_name,
    spec_from_json,
)

CONFIG, TENSORS, TOKENIZER, CARD = "config.json", "model.safetensors", "tokenizer.json", "README.md"
QUANT_METHOD = "pentanet"
_QUANT_KEYS = ("quant_method", "format_version", "method", "tensors")
_MAX_CONFIG = 1 << 24


def planned_bytes(specs: Mapping[str, TensorSpec]) -> int:
    """Exact size in bytes that model.safetensors will have, without making it.

    Raises:
        UnpackableError: names that cannot be stored.
    """
    return container.file_size(_entries(specs))


def write_model(
    out: Path,
    *,
    config: Mapping[str, Any],
    tensors: Mapping[str, Tensor],
    method: str,
    tokenizer: bytes | None,
    card: str,
    overwrite: bool = False,
) -> None:
    """Write a model directory, whole or not at all.

    Args:
        out: the directory to make; an empty one may be there.
        config: Hugging Face style; "quantization_config" is added.
        tensors: in file order.
        method: registry name of the weight method.
        tokenizer: content of tokenizer.json.
        card: content of README.md.
        overwrite: replace a model directory that is there.

    Raises:
        WriteError: `out` is in use, or the disk does not take it; what was there is untouched.
        UnpackableError, UnknownNameError: a tensor that its layout or the file cannot hold.
        ScaleError, CodeError, ShapeError: a tensor with scales, levels or a shape that no reader accepts.
    """
    out = out.resolve()
    for name, tensor in tensors.items():
        tensor.check(name)
    specs = {name: tensor.spec for name, tensor in tensors.items()}
    entries = _entries(specs)
    described = {name: spec.to_json() for name, spec in specs.items()}
    quantization = dict(zip(_QUANT_KEYS, (QUANT_METHOD, FORMAT_VERSION, method, described), strict=True))
    text = json.dumps({**config, "quantization_config": quantization}, indent=2, allow_nan=False) + "\n"
    try:
        _check_target(out, overwrite)
        with atomic.scratch_dir(out) as scratch:
            _write_container(scratch / TENSORS, tensors, entries)
            (scratch / CONFIG).write_text(text, encoding="utf-8", newline="\n")
            (scratch / CARD).write_text(card, encoding="utf-8", newline="\n")
            if tokenizer is not None:
                (scratch / TOKENIZER).write_bytes(tokenizer)
            atomic.replace_dir(scratch, out)
    except OSError as error:
        raise WriteError(out, error.strerror or str(error)) from error


@dataclass(frozen=True, kw_only=True, slots=True, eq=False)
class PackedModel:
    """An open model directory.  Arrays that it hands out are copies; the file stays mapped while it lives.

    Attributes:
        path: the directory.
        config: content of config.json.
        method: registry name of the weight method.
        specs: how each tensor is stored, in the order of config.json.
        tensor_file: the open model.safetensors.
    """

    path: Path
    config: dict[str, Any]
    method: str
    specs: Mapping[str, TensorSpec]
    tensor_file: Container

    @property
    def names(self) -> tuple[str, ...]:
        """Names of the tensors; scales belong to their tensor and have none of their own."""
        return tuple(self.specs)

    @property
    def nbytes(self) -> int:
        """Size of model.safetensors."""
        return self.tensor_file.nbytes

    @property
    def tokenizer_path(self) -> Path | None:
        """tokenizer.json, or None if the directory has none."""
        path = self.path / TOKENIZER
        return path if path.is_file() else None

    def spec(self, name: str) -> TensorSpec:
        """How a tensor is stored.

        Raises:
            UnknownNameError: no such tensor.
        """
        if name not in self.specs:
            raise UnknownNameError("tensor", name, self.specs)
        return self.specs[name]

    def shape(self, name: str) -> tuple[int, ...]:
        """Shape of a tensor.  Raises UnknownNameError."""
        return self.spec(name).shape

    def footprint(self, name: str) -> int:
        """Bytes of the file that a tensor takes: codes or values, scales, padding."""
        return sum(self.tensor_file.footprint(part) for part in self.spec(name).entries(name))

    def rows(self, name: str, start: int, stop: int) -> NDArray[np.float32]:
        """Rows start..stop-1 of a matrix, as weights [stop - start, cols].

        Of a coded matrix, bit for bit what `Codes.dequantize` gives; only the tiles that hold the rows are read.

        Raises:
            UnknownNameError: no such tensor.
            ShapeError: the rows do not exist, or the tensor is not a matrix.
            CodeError: bytes that no encoder writes.
        """
        spec = self.spec(name)
        if isinstance(spec, PlainSpec):
            if len(spec.shape) != 2 or not 0 <= start <= stop <= spec.shape[0]:
                raise ShapeError(f"{self.path}: tensor '{name}' {list(spec.shape)} has no rows {start}..{stop}")
            cols = spec.shape[1]
            size = spec.entries(name)[name].nbytes // spec.parameters
            return _plain(self.tensor_file.raw(name)[start * cols * size : stop * cols * size], spec.dtype, (-1, cols))
        levels, scales = self.levels(name, start, stop), self.scales(name)
        return Codes(levels, scales if len(scales) == 1 else scales[start:stop], spec.grid).dequantize()

    def levels(self, name: str, start: int, stop: int) -> NDArray[np.int8]:
        """Rows start..stop-1 of a coded matrix, as levels [stop - start, cols].  Raises as `rows` and `codes`."""
        spec = self._coded(name)
        layout, (rows, cols) = layouts.layout(spec.layout), spec.shape
        return layout.decode_rows(self.tensor_file.raw(name), spec.grid, rows, cols, start, stop, name)

    def scales(self, name: str) -> NDArray[np.float32]:
        """Scales [r, g] of a coded matrix.  Raises as `codes`."""
        return _plain(self.tensor_file.raw(scale_name(name)), "float32", self._coded(name).scales)

    def codes(self, name: str) -> Codes:
        """A whole coded matrix.

        Raises:
            UnknownNameError: no such tensor.
            ModelConfigError: it is stored as plain values.
            CodeError: bytes that no encoder writes.
        """
        spec = self._coded(name)
        return Codes(self.levels(name, 0, spec.shape[0]), self.scales(name), spec.grid)

    def plain(self, name: str) -> NDArray[np.float32]:
        """A whole plain tensor.

        Raises:
            UnknownNameError: no such tensor.
            ModelConfigError: it is stored as codes.
        """
        spec = self.spec(name)
        if isinstance(spec, CodedSpec):
            raise ModelConfigError(f"{self.path}: tensor '{name}' is stored as '{spec.layout}', not as plain values")
        return _plain(self.tensor_file.raw(name), spec.dtype, spec.shape)

    def _coded(self, name: str) -> CodedSpec:
        spec = self.spec(name)
        if isinstance(spec, PlainSpec):
            raise ModelConfigError(f"{self.path}: tensor '{name}' is stored as '{spec.dtype}', not as codes")
        return spec


def open_model(path: Path, *, verify: bool = True) -> PackedModel:
    """Open a model directory and check everything that can be checked without decoding.

    Args:
        path: the directory.
        verify: compare every tensor with its sha256, which reads the whole file once.

    Raises:
        MissingFileError, UnreadableFileError: config.json or model.safetensors is not there or cannot be read.
        ModelConfigError, VersionError: config.json does not describe a packed model that this release reads.
        HeaderError, TruncatedFileError, ChecksumError: see `container.open_tensors`.
        MissingTensorError, UnexpectedTensorError, ShapeError: config.json and model.safetensors disagree.
        ScaleError: a scale that is not positive and finite.
    """
    config = read_config(path / CONFIG)
    method, specs = _quantization(config, path / CONFIG)
    opened = container.open_tensors(path / TENSORS, verify=verify)
    _compare(_entries(specs, ModelConfigError), opened)
    model = PackedModel(path=path, config=config, method=method, specs=specs, tensor_file=opened)
    for name, spec in specs.items():
        if isinstance(spec, CodedSpec):
            check_scales(model.scales(name), spec.grid, f"{opened.path}: {name}")
    return model


def read_config(path: Path) -> dict[str, Any]:
    """Read a config.json.

    Raises:
        MissingFileError, UnreadableFileError: it is not there or cannot be read.
        ModelConfigError: not a JSON object.
    """
    try:
        with path.open("rb") as file:
            raw = file.read(_MAX_CONFIG + 1)
    except (FileNotFoundError, NotADirectoryError):
        raise MissingFileError(path, "Expected a model directory, as `pentanet pack` writes it.") from None
    except OSError as error:
        raise UnreadableFileError(path, error) from error
    if len(raw) > _MAX_CONFIG:
        raise ModelConfigError(f"{path}: larger than {_MAX_CONFIG} bytes, which no config.json is")
    try:
        return strict_json(raw, path)
    except HeaderError as error:
        raise ModelConfigError(str(error)) from None


def _quantization(config: Mapping[str, Any], where: Path) -> tuple[str, dict[str, TensorSpec]]:
    section = config.get("quantization_config")
    if not isinstance(section, dict) or cast("dict[str, object]", section).get("quant_method") != QUANT_METHOD:
        raise ModelConfigError(f"{where}: not a model packed by pentanet (quantization_config.quant_method)")
    fields = cast("dict[str, object]", section)
    version = fields.get("format_version")
    if type(version) is not int or version != FORMAT_VERSION:
        raise VersionError(
            f"{where}: format version {version!r:.40}, but this release reads {FORMAT_VERSION}. "
            "Pack the model again, or use another release of pentanet."
        )
    for key in fields:
        if key not in _QUANT_KEYS:
            raise ModelConfigError(
                f"{where}: quantization_config: unknown key '{key}'.{did_you_mean(key, _QUANT_KEYS)}"
            )
    method, tensors = fields.get("method"), fields.get("tensors")
    if not isinstance(method, str) or not isinstance(tensors, dict) or not tensors:
        raise ModelConfigError(
            f"{where}: quantization_config needs 'method' (text) and 'tensors'. Pack the model again."
        )
    described = cast("dict[str, object]", tensors)
    return method, {name: spec_from_json(name, value, str(where)) for name, value in described.items()}


def _entries(specs: Mapping[str, TensorSpec], error: type[Exception] = UnpackableError) -> dict[str, Entry]:
    """All stored tensors, scales included; names that are not valid or meet each other are an `error`."""
    found: dict[str, Entry] = {}
    for name, spec in specs.items():
        for part, entry in spec.entries(name).items():
            if not valid_name(part):
                raise error(
                    f"tensor {part!r:.80}: a name has 1 to 255 letters, digits, '_', '.', '-', and no '__' first"
                )
            if part in found:
                raise error(f"tensor '{part}': two tensors have this name (scales are named after their matrix)")
            found[part] = entry
    return found


def _compare(expected: Mapping[str, Entry], opened: Container) -> None:
    for name, entry in expected.items():
        if name not in opened.entries:
            raise MissingTensorError(f"{opened.path}: tensor '{name}' of {CONFIG} is not there. Pack the model again.")
        found = opened.entries[name]
        if found != entry:
            raise ShapeError(
                f"{opened.path}: tensor '{name}' is {found.dtype} {list(found.shape)}, but {CONFIG} makes it "
                f"{entry.dtype} {list(entry.shape)}. The two files are not of one model; pack it again."
            )
    for name in opened.entries:
        if name not in expected:
            raise UnexpectedTensorError(f"{opened.path}: tensor '{name}' is not in {CONFIG}. Pack the model again.")


def _plain(raw: NDArray[np.uint8], dtype: str, shape: tuple[int, ...]) -> NDArray[np.float32]:
    values = from_bfloat16(raw.view("<u2")) if dtype == "bfloat16" else raw.view("<f4").astype(np.float32)
    return values.reshape(shape)


def _write_container(path: Path, tensors: Mapping[str, Tensor], entries: Mapping[str, Entry]) -> None:
    """Encode one tensor at a time: its parts come in file order, so one is dropped before the next is made."""

    def parts() -> Iterator[tuple[str, NDArray[np.uint8]]]:
        for name, tensor in tensors.items():
            yield from tensor.blocks(name).items()

    stream = parts()

    def data(name: str) -> NDArray[np.uint8]:
        part, block = next(stream)
        assert part == name
        return block

    container.write_tensors(path, entries, data)


def _check_target(out: Path, overwrite: bool) -> None:
    if not out.exists():
        return
    if not out.is_dir():
        raise WriteError(out, "a file of this name is there. Choose another name or remove it.")
    if not any(out.iterdir()):
        return
    if not overwrite:
        raise WriteError(out, "the directory is there and not empty. Choose another name or pass --overwrite.")
    if not (out / CONFIG).is_file() or not (out / TENSORS).is_file():
        raise WriteError(
            out, f"it holds something else than a model (no {CONFIG} with {TENSORS}). Choose another name."
        )

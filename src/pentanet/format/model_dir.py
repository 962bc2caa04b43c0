"""The model directory: config.json, model.safetensors, tokenizer.json and README.md.

docs/format.md has the specification.  The reader checks all of it before it hands out a number; the writer makes the
directory beside its place and moves it there when it is whole.

What makes a directory valid, in the order in which `open_model` asks, each rule with its error:

1. None of its files is a link that leads out of it, or anything else than a regular file (UnsafeFileError);
   config.json and model.safetensors are there (MissingFileError) and can be read (UnreadableFileError).
2. config.json is at most 16 MiB, a JSON object without double keys, NaN or infinity (ModelConfigError).
3. Its quantization_config is ours, of a version that this release reads (VersionError), and describes every tensor
   with known keys and values (ModelConfigError).
4. The header of model.safetensors lies within the file and so do the tensors (TruncatedFileError), it is of a known
   version (VersionError), and canonical to the byte, with zeros as padding (HeaderError): see `header.parse`.
5. Every tensor has its sha256 (ChecksumError), where this is asked for.
6. config.json and the other small files are as the header's seal says, if it has one (SealError).
7. The tensors of the two files are the same, in type and shape (MissingTensorError, UnexpectedTensorError, ShapeError).
8. Activations and low rank are of a known kind (ModelConfigError).
9. Scales are positive and finite (ScaleError), biases (BiasError) and plain values finite (NonFiniteWeightError).

`runtime.open.open_config` then asks for a network that this release knows and that the tensors fit; codes that no
encoder writes are a CodeError when they are read.  What no rule foresaw is a plain FormatError (`format.boundary`).
"""

from __future__ import annotations

import json
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any, TypeVar, cast

import numpy as np
from numpy.typing import NDArray

from pentanet import atomic
from pentanet.errors import (
    HeaderError,
    MissingFileError,
    MissingTensorError,
    ModelConfigError,
    ShapeError,
    UnexpectedTensorError,
    UnpackableError,
    UnreadableFileError,
    VersionError,
    WriteError,
    did_you_mean,
)
from pentanet.format import container
from pentanet.format.boundary import reading
from pentanet.format.header import FORMAT_VERSION, Entry, strict_json, valid_name
from pentanet.format.packed_model import CARD, CONFIG, TENSORS, TOKENIZER, PackedModel
from pentanet.format.seal import ABSENT, SEALED, check_seal, seal_of, seal_of_folder
from pentanet.format.tensors import (
    BAD_BFLOAT16,
    BAD_FLOAT32,
    CodedSpec,
    Storable,
    TensorSpec,
    check_bias,
    check_scales,
    check_values,
    spec_from_json,
)
from pentanet.format.wrong_path import advice
from pentanet.linear_options import ACTIVATIONS, LOW_RANK, Activations, LowRank
from pentanet.regular import own_file, read_regular

T = TypeVar("T")
QUANT_METHOD = "pentanet"
_QUANT_KEYS = ("quant_method", "format_version", "method", "tensors")
_EXTRAS = {"activations": ACTIVATIONS, "low_rank": LOW_RANK}  # left out where they are "none"
_MAX_CONFIG = 1 << 24


def planned_bytes(specs: Mapping[str, TensorSpec]) -> int:
    """Exact size in bytes that model.safetensors will have, without making it.

    Raises:
        UnpackableError: names that cannot be stored.
    """
    return container.file_size(_entries(specs), seal_of({}))


def write_model(
    out: Path,
    *,
    config: Mapping[str, Any],
    tensors: Mapping[str, Storable],
    method: str,
    tokenizer: bytes | None,
    card: str,
    activations: Activations = "none",
    low_rank: LowRank = "none",
    beside: Mapping[str, bytes] | None = None,
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
        activations: how linears round their inputs.
        low_rank: what stands beside them.
        beside: further files that other programs read, by name.
        overwrite: replace a model directory that is there.

    Raises:
        WriteError: `out` is in use, or the disk does not take it; what was there is untouched.
        UnconfirmedWriteError: the new model is in its place, but the disk did not confirm it.
        UnpackableError, UnknownNameError: a tensor that its layout or the file cannot hold.
        ScaleError, BiasError, NonFiniteWeightError, CodeError, ShapeError: scales, a bias, values, levels or a shape
            that no reader accepts.
    """
    out = out.resolve()
    text, entries = _described(config, tensors, method, activations, low_rank)
    files = {**(beside or {}), CONFIG: text, CARD: card.encode()}
    if tokenizer is not None:
        files[TOKENIZER] = tokenizer
    try:
        check_target(out, overwrite)
        with atomic.scratch_dir(out) as scratch:
            _write_container(scratch / TENSORS, tensors, entries, seal_of(files))
            for name, content in files.items():
                (scratch / name).write_bytes(content)
            atomic.replace_dir(scratch, out)
    except OSError as error:
        raise WriteError(out, error.strerror or str(error)) from error


def write_into(
    out: Path,
    *,
    config: Mapping[str, Any],
    tensors: Mapping[str, Storable],
    method: str,
    activations: Activations = "none",
    low_rank: LowRank = "none",
) -> None:
    """Write config.json and model.safetensors into a directory that has other things in it, each of the two whole.

    For programs that fill a directory file by file, as transformers does; what stands there is replaced.  The seal
    names the files that are there, and no others: those of the tokenizer may follow.  Arguments and errors as
    `write_model`.

    Raises:
        UnreadableFileError, FormatError: see `seal_of_folder`.
    """
    text, entries = _described(config, tensors, method, activations, low_rank)
    here = {name: digest for name, digest in seal_of_folder(out).items() if digest != ABSENT}
    seal = {**here, CONFIG: seal_of({CONFIG: text})[CONFIG]}
    try:
        out.mkdir(parents=True, exist_ok=True)
        with atomic.scratch_dir(out.resolve() / TENSORS) as scratch:
            _write_container(scratch / TENSORS, tensors, entries, seal)
            (scratch / CONFIG).write_bytes(text)
            atomic.replace_files(scratch, out, CONFIG, TENSORS)
    except OSError as error:
        raise WriteError(out, error.strerror or str(error)) from error


def _described(
    config: Mapping[str, Any],
    tensors: Mapping[str, Storable],
    method: str,
    activations: Activations,
    low_rank: LowRank,
) -> tuple[bytes, dict[str, Entry]]:
    """Content of config.json, and what model.safetensors will hold, once every tensor is known to be storable."""
    for name, tensor in tensors.items():
        tensor.check(name)
    specs = {name: tensor.spec for name, tensor in tensors.items()}
    entries = _entries(specs)
    described = {name: spec.to_json() for name, spec in specs.items()}
    quantization: dict[str, object] = dict(
        zip(_QUANT_KEYS, (QUANT_METHOD, FORMAT_VERSION, method, described), strict=True)
    )
    extras = zip(_EXTRAS, (activations, low_rank), strict=True)
    quantization |= {key: value for key, value in extras if value != "none"}
    text = json.dumps({**config, "quantization_config": quantization}, indent=2, allow_nan=False) + "\n"
    return text.encode(), entries


def open_model(path: Path, *, verify: bool = True, sealed: bool = True) -> PackedModel:
    """Open a model directory and check everything that can be checked without decoding.

    Args:
        path: the directory.
        verify: compare every tensor with its sha256, which reads the whole file once.
        sealed: compare the small files with the seal, if there is one.

    Raises:
        UnsafeFileError: a file is a link that leads out of the directory, or no regular file.
        MissingFileError, UnreadableFileError: config.json or model.safetensors is not there or cannot be read.
        ModelConfigError, VersionError: config.json does not describe a packed model that this release reads.
        HeaderError, TruncatedFileError, ChecksumError: see `container.open_tensors`.
        SealError: config.json or another small file is not as it was written; see `seal.check_seal`.
        MissingTensorError, UnexpectedTensorError, ShapeError: config.json and model.safetensors disagree.
        ScaleError, BiasError: a scale that is not positive and finite, a bias that is not finite.
        NonFiniteWeightError: a plain value that is not finite.
    """
    for name in (*SEALED, TENSORS):  # all that is read of a directory, now or later
        own_file(path, name)
    config = read_config(path / CONFIG)
    with reading(path / CONFIG):
        method, specs = _quantization(config, path / CONFIG)
    with reading(path / TENSORS):
        opened = container.open_tensors(path / TENSORS, verify=verify)
    if sealed:
        check_seal(path, opened.header.seal)
    _compare(_entries(specs, ModelConfigError), opened.entries, opened.path)
    model = PackedModel(
        path=path,
        config=config,
        method=method,
        activations=_extra(config, "activations", ACTIVATIONS, path / CONFIG),
        low_rank=_extra(config, "low_rank", LOW_RANK, path / CONFIG),
        specs=specs,
        tensor_file=opened,
    )
    for name, spec in specs.items():
        if isinstance(spec, CodedSpec):
            check_scales(model.scales(name), spec.grid, f"{opened.path}: {name}")
            if (bias := model.bias(name)) is not None:
                check_bias(bias, f"{opened.path}: {name}")
        elif spec.dtype == "bfloat16":
            check_values(opened.raw(name).view("<u2"), f"{opened.path}: {name}", BAD_BFLOAT16)
        else:
            check_values(opened.raw(name).view("<u4"), f"{opened.path}: {name}", BAD_FLOAT32)
    return model


def read_specs(path: Path, entries: Mapping[str, Entry], where: Path) -> dict[str, TensorSpec]:
    """How the tensors of a config.json are stored, compared with those of a header.

    Args:
        path: the config.json.
        entries: type and shape of each stored tensor.
        where: the file that has them, for messages.

    Raises:
        ModelConfigError, VersionError: see `open_model`.
        MissingTensorError, UnexpectedTensorError, ShapeError: the two disagree.
    """
    config = read_config(path)
    with reading(path):
        _, specs = _quantization(config, path)
    _compare(_entries(specs, ModelConfigError), entries, where)
    return specs


def read_config(path: Path) -> dict[str, Any]:
    """Read a config.json.

    Raises:
        MissingFileError, UnreadableFileError: it is not there or cannot be read.
        ModelConfigError: not a JSON object.
    """
    try:
        raw = read_regular(path, _MAX_CONFIG)
    except (FileNotFoundError, NotADirectoryError):
        raise MissingFileError(path, advice(path.parent)) from None
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
        raise ModelConfigError(
            f"{where}: not a model packed by pentanet (quantization_config.quant_method). `pentanet quantize` packs "
            "a pretrained model, `pentanet import` one that another program quantized."
        )
    fields = cast("dict[str, object]", section)
    if fields.get("trainable") is True and fields.get("tensors") is None:
        raise ModelConfigError(
            f"{where}: latent weights, for training to go on with. Pack them: open the directory with "
            "AutoModelForCausalLM.from_pretrained, and save_pretrained to another one."
        )
    version = fields.get("format_version")
    if type(version) is not int or version != FORMAT_VERSION:
        raise VersionError(
            f"{where}: format version {version!r:.40}, but this release reads {FORMAT_VERSION}. "
            "Pack the model again, or use another release of pentanet."
        )
    for key in fields:
        if key not in (*_QUANT_KEYS, *_EXTRAS):
            raise ModelConfigError(
                f"{where}: quantization_config: unknown key '{key}'.{did_you_mean(key, (*_QUANT_KEYS, *_EXTRAS))}"
            )
    method, tensors = fields.get("method"), fields.get("tensors")
    if not isinstance(method, str) or not isinstance(tensors, dict) or not tensors:
        raise ModelConfigError(
            f"{where}: quantization_config needs 'method' (text) and 'tensors'. Pack the model again."
        )
    described = cast("dict[str, object]", tensors)
    return method, {name: spec_from_json(name, value, str(where)) for name, value in described.items()}


def _extra(config: Mapping[str, Any], key: str, known: tuple[T, ...], where: Path) -> T:
    found = config["quantization_config"].get(key, "none")
    for value in known:
        if found == value:
            return value
    raise ModelConfigError(
        f"{where}: {key} {found!r:.40} is none that this release knows.{did_you_mean(str(found), map(str, known))}"
    )


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
                raise error(
                    f"tensor '{part}': two tensors have this name (scales and biases are named after their matrix)"
                )
            found[part] = entry
    return found


def _compare(expected: Mapping[str, Entry], found: Mapping[str, Entry], where: Path) -> None:
    for name, entry in expected.items():
        if name not in found:
            raise MissingTensorError(f"{where}: tensor '{name}' of {CONFIG} is not there. Pack the model again.")
        there = found[name]
        if there != entry:
            raise ShapeError(
                f"{where}: tensor '{name}' is {there.dtype} {list(there.shape)}, but {CONFIG} makes it "
                f"{entry.dtype} {list(entry.shape)}. The two files are not of one model; pack it again."
            )
    for name in found:
        if name not in expected:
            raise UnexpectedTensorError(f"{where}: tensor '{name}' is not in {CONFIG}. Pack the model again.")


def _write_container(
    path: Path, tensors: Mapping[str, Storable], entries: Mapping[str, Entry], seal: Mapping[str, str]
) -> None:
    """Encode one tensor at a time: its parts come in file order, so one is dropped before the next is made."""

    def parts() -> Iterator[tuple[str, NDArray[np.uint8]]]:
        for name, tensor in tensors.items():
            yield from tensor.blocks(name).items()

    stream = parts()

    def data(name: str) -> NDArray[np.uint8]:
        part, block = next(stream)
        assert part == name
        return block

    container.write_tensors(path, entries, data, seal)


def check_target(out: Path, overwrite: bool, *, original: Path | None = None) -> None:
    """Raise WriteError unless a model directory can be written there: no other thing is, and no model by accident.

    Args:
        out: the directory.
        overwrite: a model that is there may be replaced.
        original: what the model is made from, which is never replaced.
    """
    if original is not None and original.resolve().is_relative_to(out.resolve()):
        raise WriteError(out, f"the original lies there ({original}). Choose another name.")
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

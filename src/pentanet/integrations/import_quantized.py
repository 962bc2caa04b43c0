"""Models that others quantized, as model directories: the same levels and scales, nothing is rounded again.

- `.gguf` files whose matrices are of TQ1_0, TQ2_0, Q8_0, Q4_0, or Q3_K as `pentanet export` writes it;
- directories of transformers with `quant_method: bitnet`, packed: ternary, four rows to a byte, one scale per matrix.
  `bitlinear` divides by that scale and `autobitlinear` multiplies by it.
"""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray
from safetensors import SafetensorError, safe_open

from pentanet import __version__
from pentanet.codes import Codes
from pentanet.errors import (
    ConfigError,
    FormatError,
    HeaderError,
    MissingFileError,
    MissingTensorError,
    ModelConfigError,
    ShapeError,
)
from pentanet.families import canonical_config, config_from_hub, family_of
from pentanet.families.tensor_table import hub_shapes, linear_names
from pentanet.format import layouts
from pentanet.format.card import model_card
from pentanet.format.model_dir import check_target, read_config, write_model
from pentanet.format.packed_model import TOKENIZER
from pentanet.format.tensors import Coded, Plain, Tensor, from_bfloat16, to_bfloat16
from pentanet.gguf import package
from pentanet.gguf.architecture import architectures
from pentanet.gguf.blocks import BLOCKS
from pentanet.gguf.row_order import hub_order, permute
from pentanet.grid import GRIDS, TERNARY, Grid
from pentanet.runtime.inspect import Inspection, inspect
from pentanet.sources.open import open_source
from pentanet.sources.origin import from_directory
from pentanet.sources.own_files import own_file, read_beside
from pentanet.sources.source import Source

_GRIDS = ("ternary", "pentanary", "septenary", "nonary", "int4", "int8")
_SMALLEST = np.float32(1e-8)


def import_model(source: str | Path, out: str | Path, *, overwrite: bool = False) -> Inspection:
    """Turn a quantized model of another program into a model directory.

    Args:
        source: a .gguf file, or a directory of transformers.
        out: the directory to write.
        overwrite: replace a model directory that is there.

    Raises:
        MissingExtraError: a .gguf file, and the package gguf is not installed.
        FormatError: damaged, or not quantized in a way that is read here; the message says what to do.
        WriteError: `out` is in use or holds the source, or the disk does not take it.
    """
    source, out = Path(source), Path(out)
    check_target(out, overwrite, original=source)
    if source.is_dir():
        config, tensors = _from_bitnet(source)
        files, facts = read_beside(source), from_directory(source)
        method, activations = "bitnet-b158", "int8"
    else:
        opened = open_source(source)  # which checks names and shapes
        config, tensors = _from_gguf(source, opened)
        files, facts = opened.files, opened.facts
        method, activations = "gguf", "none"
    write_model(
        out,
        config=config,
        tensors=tensors,
        method=method,
        activations=activations,
        tokenizer=files.get(TOKENIZER),
        card=model_card(
            {**facts, "name": source.stem, "made_from": source.name, "imported": True, "version": __version__}
        ),
        beside={name: content for name, content in files.items() if name != TOKENIZER},
        overwrite=overwrite,
    )
    return inspect(out)


def _from_gguf(path: Path, source: Source) -> tuple[dict[str, Any], dict[str, Tensor]]:
    gguf = package.load()
    config = source.config
    names = family_of(config).gguf
    if names is None:
        raise ModelConfigError(f"{path}: this network cannot be imported; known: {', '.join(architectures())}")
    arch = names.architecture(config)
    stored = {tensor.name: tensor for tensor in gguf.GGUFReader(str(path)).tensors}
    tensors: dict[str, Tensor] = {}
    for name, shape in hub_shapes(config, source.vocab).items():
        found = stored[names.theirs(name)]
        block = BLOCKS.get(found.tensor_type.name)
        if block is None:
            if len(shape) == 2 and found.tensor_type.name not in ("F32", "F16", "BF16"):
                kinds = ", ".join(BLOCKS)
                raise FormatError(f"{path}: '{found.name}' is {found.tensor_type.name}; only {kinds} are imported "
                                  "without rounding. Use: pentanet quantize")  # fmt: skip
            tensors[name] = _plain(source.tensor(name).numpy())
            continue
        codes = codes_of(*block.decode(np.asarray(found.data), f"{path}: '{found.name}'"), f"{path}: '{found.name}'")
        heads = names.heads(name, config, arch)
        if heads:
            codes = permute(codes, hub_order(shape[0], heads))
        tensors[name] = Coded(codes, layouts.densest_layout(codes))
    return dict(source.hub_config), tensors


def codes_of(levels: NDArray[np.int8], scales: NDArray[np.float32], where: str) -> Codes:
    """Levels [rows, cols] on the smallest grid that has them, with as few scales as say the same as [rows, blocks].

    Raises:
        FormatError: a scale that is negative or not finite.
    """
    if not np.isfinite(scales).all() or (scales < 0).any():
        raise FormatError(f"{where}: has scales that are negative or not finite. Use: pentanet quantize")
    rows, blocks = scales.shape
    used = levels.reshape(rows, blocks, -1).any(axis=2) & (scales > 0)
    levels = np.where(np.repeat(used, levels.shape[1] // blocks, axis=1), levels, 0).astype(np.int8)
    largest = np.where(used, scales, 0).max(axis=1, keepdims=True)  # what stands for blocks of zeros
    scales = np.where(used, scales, np.where(largest > 0, largest, _SMALLEST)).astype(np.float32)
    if (scales == scales[:, :1]).all():
        scales = scales[:, :1]
        if (scales == scales[0]).all():
            scales = scales[:1]
    return Codes(levels, np.ascontiguousarray(scales), _smallest_grid(levels))


def _smallest_grid(levels: NDArray[np.int8]) -> Grid:
    low, high = int(levels.min()), int(levels.max())
    return next(GRIDS[name] for name in _GRIDS if GRIDS[name].lowest <= low and high <= GRIDS[name].highest)


def _from_bitnet(path: Path) -> tuple[dict[str, Any], dict[str, Tensor]]:
    own_file(path, "config.json")
    hub = read_config(path / "config.json")
    divides = _divides(hub.pop("quantization_config", None), path)
    try:
        config, vocab = config_from_hub(hub), int(hub["vocab_size"])
        hub = canonical_config(hub)
    except (ConfigError, KeyError, TypeError, ValueError) as error:
        raise ModelConfigError(f"{path}/config.json: {error}") from None
    packed = set(linear_names(config, vocab))
    tensors: dict[str, Tensor] = {}
    with _open(path / "model.safetensors") as file:
        for name, shape in hub_shapes(config, vocab).items():
            values = _read(file, name, path)
            if name not in packed:
                _require(values.shape == shape, path, name, values.shape, shape)
                tensors[name] = _plain(values.astype(np.float32))
                continue
            _require(shape[0] % 4 == 0 and values.shape == (shape[0] // 4, shape[1]), path, name, values.shape, shape)
            scale = _read(file, f"{name}_scale", path).astype(np.float32).reshape(-1)
            _require(scale.shape == (1,), path, f"{name}_scale", scale.shape, (1,))
            with np.errstate(divide="ignore"):
                scale = np.float32(1) / scale if divides else scale
            codes = Codes(unpack_rows(values, f"{path}: '{name}'"), scale.reshape(1, 1), TERNARY)
            tensors[name] = Coded(codes, layouts.densest_layout(codes))
    return hub, tensors


def unpack_rows(packed: NDArray[Any], where: str) -> NDArray[np.int8]:
    """Levels [rows, cols] of bytes [rows / 4, cols]: bits 2i and 2i+1 of (r, c) are level (i rows / 4 + r, c), plus 1.

    Raises:
        FormatError: not bytes, or the code 3.
    """
    if packed.dtype != np.uint8:
        raise FormatError(f"{where}: is {packed.dtype}, not packed. Take the packed directory of the model.")
    codes = np.concatenate([packed >> shift & 3 for shift in (0, 2, 4, 6)])
    if (codes == 3).any():
        raise FormatError(f"{where}: has a code that is no level. Copy or download it again.")
    return codes.astype(np.int8) - np.int8(1)


def _divides(found: object, path: Path) -> bool:
    """Whether weights are levels divided by their scale."""
    section: Mapping[str, Any] = found if isinstance(found, dict) else {}
    if section.get("quant_method") != "bitnet":
        raise ModelConfigError(
            f"{path}: quant_method is {section.get('quant_method')!r}, not 'bitnet', so that nothing is packed here. "
            "Weights in floats: pentanet quantize"
        )
    kind, mode = section.get("linear_class", "bitlinear"), section.get("quantization_mode", "offline")
    if kind not in ("bitlinear", "autobitlinear") or mode != "offline" or section.get("use_rms_norm"):
        raise ModelConfigError(
            f"{path}: linear_class {kind!r}, quantization_mode {mode!r}, use_rms_norm {section.get('use_rms_norm')!r}: "
            "only packed weights without norms inside of linears are imported. Of bfloat16 masters (online) take the "
            "packed directory of the same model."
        )
    return kind == "bitlinear"


def _open(path: Path) -> Any:
    if own_file(path.parent, path.name) is None:
        raise MissingFileError(path, "Expected a model in one file of safetensors.")
    try:
        return safe_open(path, framework="pt")
    except (SafetensorError, OSError) as error:
        raise HeaderError(f"{path}: not a safetensors file ({error}). Copy or download it again.") from None


def _read(file: Any, name: str, path: Path) -> NDArray[Any]:
    if name not in file.keys():  # noqa: SIM118 (not a dict)
        raise MissingTensorError(f"{path}: tensor '{name}' of the network in config.json is not there")
    tensor = file.get_tensor(name)
    return tensor.float().numpy() if tensor.is_floating_point() else tensor.numpy()


def _require(holds: bool, path: Path, name: str, found: tuple[int, ...], expected: tuple[int, ...]) -> None:
    if not holds:
        raise ShapeError(f"{path}: tensor '{name}' is {list(found)}, which is not {list(expected)} as packed by BitNet")


def _plain(values: NDArray[np.float32]) -> Plain:
    """In bfloat16 if that holds every value."""
    exact = np.array_equal(from_bfloat16(to_bfloat16(values)), values) and values.ndim == 2
    return Plain(np.ascontiguousarray(values), "bfloat16" if exact else "float32")

"""What a packed model directory holds, counted from its bytes."""

from __future__ import annotations

import math
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from pentanet.families.registry import family_of_type
from pentanet.format.model_dir import PackedModel, open_model
from pentanet.format.seal import SEALED
from pentanet.format.tensors import CodedSpec
from pentanet.grid import Grid

_BLOCK_WEIGHTS = 1 << 20  # decode about this many weights at a time
_LARGEST_SHOWN = 16  # levels; the occupancy of larger grids is a histogram that nobody reads


@dataclass(frozen=True, kw_only=True, slots=True)
class TensorRow:
    """One tensor.

    Attributes:
        name: as in config.json.
        storage: layout, or type of plain values.
        grid: name of the grid, None for plain values.
        shape: of the tensor, not of its bytes.
        parameters: number of weights.
        bytes: in the file: codes or values, scales, padding.
        bits_per_weight: the same, in bits per weight.
        entropy: bits per weight that an ideal entropy coder would need for the levels; None for plain values.
        occupancy: share of the weights at each level; None for plain values and grids of more than 16 levels.
        zero_fraction: share of the weights at level 0; None for plain values.
    """

    name: str
    storage: str
    grid: str | None
    shape: tuple[int, ...]
    parameters: int
    bytes: int
    bits_per_weight: float
    entropy: float | None
    occupancy: dict[int, float] | None
    zero_fraction: float | None


@dataclass(frozen=True, kw_only=True, slots=True)
class Inspection:
    """A whole directory.

    "Quantized" are the tensors on a grid of less than 8 bits: int8 is how embeddings and heads are stored, not a
    weight method.

    Attributes:
        path: the directory.
        method: registry name of the weight method.
        rows: one for each tensor, in the order of config.json.
        parameters: weights of the model; a latent weight that is stored in two forms counts once.
        quantized_parameters: those of them that are quantized.
        file_bits_per_weight: all of model.safetensors, in bits per parameter.
        quantized_bits_per_weight: the quantized tensors with scales and padding, in bits per weight; None if none is.
        entropy, occupancy, zero_fraction: of the quantized tensors together; None if none is, or not on one grid.
        bytes: size of model.safetensors.
        sealed: whether its header has the checksums of config.json and the other small files.
        unsealed: those of the small files that are there and that it does not cover.
    """

    path: str
    method: str
    rows: tuple[TensorRow, ...]
    parameters: int
    quantized_parameters: int
    file_bits_per_weight: float
    quantized_bits_per_weight: float | None
    entropy: float | None
    occupancy: dict[int, float] | None
    zero_fraction: float | None
    bytes: int
    sealed: bool
    unsealed: tuple[str, ...]

    def to_dict(self) -> dict[str, Any]:
        """The same as JSON has it: lists for tuples, text for the levels."""
        tree = asdict(self)
        tree["rows"] = [{**asdict(row), "shape": list(row.shape), **_json(row.occupancy)} for row in self.rows]
        return {**tree, "unsealed": list(self.unsealed), **_json(self.occupancy)}


def inspect(path: str | Path, *, verify: bool = True) -> Inspection:
    """Count what a model directory holds; decodes every coded tensor, a block of rows at a time.

    Args:
        path: the directory.
        verify: compare every tensor with its sha256.

    Raises:
        FormatError: see `open_model`; CodeError for bytes that no encoder writes.
    """
    return inspect_model(open_model(Path(path), verify=verify))


def inspect_model(model: PackedModel) -> Inspection:
    """`inspect` for a model that is open."""
    counts = {name: _counts(model, name, spec) for name, spec in model.specs.items() if isinstance(spec, CodedSpec)}
    rows = tuple(_row(model, name, counts.get(name)) for name in model.names)
    quantized = [row for row in rows if row.name in counts and _is_quantized(model, row.name)]
    weights = sum(row.parameters for row in quantized)
    parameters = sum(row.parameters for row in rows) - _stored_again(model)
    grids = {row.grid for row in quantized}
    grid, total = None, np.zeros(256, np.int64)
    if len(grids) == 1 and not any(_has_planes(model, row.name) for row in quantized):
        spec = model.specs[quantized[0].name]
        grid = spec.grid if isinstance(spec, CodedSpec) else None
        total = np.sum([counts[row.name] for row in quantized], axis=0)
    return Inspection(
        path=str(model.path),
        method=model.method,
        rows=rows,
        parameters=parameters,
        quantized_parameters=weights,
        file_bits_per_weight=8 * model.nbytes / parameters,
        quantized_bits_per_weight=8 * sum(row.bytes for row in quantized) / weights if quantized else None,
        entropy=_entropy(total) if grid else None,
        occupancy=_occupancy(total, grid) if grid else None,
        zero_fraction=_zero_fraction(total) if grid else None,
        bytes=model.nbytes,
        sealed=bool(seal := model.tensor_file.header.seal),
        unsealed=tuple(name for name in SEALED if name not in seal and (model.path / name).exists()),
    )


def _row(model: PackedModel, name: str, counts: NDArray[np.int64] | None) -> TensorRow:
    spec, size = model.specs[name], model.footprint(name)
    grid = spec.grid if isinstance(spec, CodedSpec) else None
    return TensorRow(
        name=name,
        storage=spec.storage,
        grid=grid.name if grid else None,
        shape=spec.shape,
        parameters=spec.parameters,
        bytes=size,
        bits_per_weight=8 * size / spec.parameters,
        entropy=None if not isinstance(spec, CodedSpec) or counts is None else spec.planes * _entropy(counts),
        occupancy=_occupancy(counts, grid) if grid and counts is not None else None,
        zero_fraction=None if counts is None else _zero_fraction(counts),
    )


def _counts(model: PackedModel, name: str, spec: CodedSpec) -> NDArray[np.int64]:
    """Weights at each level: [256], level -1 at 255."""
    rows, cols = spec.shape
    counts = np.zeros(256, np.int64)
    step = max(1, _BLOCK_WEIGHTS // (16 * cols)) * 16  # whole tiles, so that none is decoded twice
    for start in range(0, rows, step):
        levels = model.levels(name, start, min(start + step, rows))
        counts += np.bincount(levels.reshape(-1).view(np.uint8), minlength=256)
    return counts


def _json(occupancy: dict[int, float] | None) -> dict[str, dict[str, float] | None]:
    return {"occupancy": None if occupancy is None else {str(level): share for level, share in occupancy.items()}}


def _is_quantized(model: PackedModel, name: str) -> bool:
    spec = model.specs[name]
    return isinstance(spec, CodedSpec) and spec.grid.size < 256


def _has_planes(model: PackedModel, name: str) -> bool:
    spec = model.specs[name]
    return isinstance(spec, CodedSpec) and spec.planes > 1


def _stored_again(model: PackedModel) -> int:
    """Weights of a head that is a second form of the embedding."""
    family = family_of_type(model.config.get("model_type"))
    if family is None or not family.stores_head_again:
        return 0
    pair = (f"{family.embedding}.weight", f"{family.head}.weight")
    specs = [model.specs[name] for name in pair if name in model.specs]
    return specs[0].parameters if len(specs) == 2 and specs[0].shape == specs[1].shape else 0


def _occupancy(counts: NDArray[np.int64], grid: Grid) -> dict[int, float] | None:
    if grid.size > _LARGEST_SHOWN:
        return None
    return {level: int(counts[level & 0xFF]) / int(counts.sum()) for level in grid.levels}


def _zero_fraction(counts: NDArray[np.int64]) -> float:
    return int(counts[0]) / int(counts.sum())


def _entropy(counts: NDArray[np.int64]) -> float:
    total = int(counts.sum())
    return -math.fsum(n / total * math.log2(n / total) for n in counts.tolist() if n) + 0.0  # no -0.0

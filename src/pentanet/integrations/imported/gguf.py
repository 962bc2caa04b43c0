"""A .gguf file of TQ1_0, TQ2_0, Q8_0, Q4_0, or Q3_K as `pentanet export` writes it."""

from __future__ import annotations

from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from pentanet.codes import Codes
from pentanet.errors import FormatError, ModelConfigError
from pentanet.families import family_of
from pentanet.families.tensor_table import hub_shapes
from pentanet.format import layouts
from pentanet.format.tensors import Coded, Tensor
from pentanet.gguf import package
from pentanet.gguf.architecture import architectures
from pentanet.gguf.blocks import BLOCKS
from pentanet.gguf.row_order import hub_order, permute
from pentanet.grid import GRIDS, Grid
from pentanet.integrations.imported.found import Found, plain
from pentanet.sources.open import open_source

_GRIDS = ("ternary", "pentanary", "septenary", "nonary", "int4", "int8")
_SMALLEST = np.float32(1e-8)


def from_gguf(path: Path) -> Found:
    """Raises as `pentanet.sources.gguf.GgufSource`; FormatError for other types of blocks."""
    source = open_source(path)  # which checks names and shapes
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
            tensors[name] = plain(source.tensor(name).numpy())
            continue
        codes = codes_of(*block.decode(np.asarray(found.data), f"{path}: '{found.name}'"), f"{path}: '{found.name}'")
        heads = names.heads(name, config, arch)
        if heads:
            codes = permute(codes, hub_order(shape[0], heads))
        tensors[name] = Coded(codes, layouts.densest_layout(codes))
    return Found(
        kind="a GGUF file with levels in blocks",
        config=source.hub_config,
        tensors=tensors,
        method="gguf",
        activations="none",
        files=source.files,
        facts=source.facts,
    )


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

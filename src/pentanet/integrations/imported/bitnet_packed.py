"""Packed BitNet weights, as transformers, BitNet 2B4T and Falcon-E store them: four rows to a byte, a scale per matrix.

`bitlinear` divides by that scale and `autobitlinear` multiplies by it.
"""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray

from pentanet.codes import Codes
from pentanet.errors import ConfigError, FormatError, MissingTensorError, ModelConfigError, ShapeError
from pentanet.families import canonical_config, config_from_hub, family_of
from pentanet.families.tensor_table import linear_names
from pentanet.grid import TERNARY
from pentanet.integrations.imported.bitnet_section import BitnetSection
from pentanet.integrations.imported.found import Found, assemble
from pentanet.sources.hub_files import HubFiles
from pentanet.sources.origin import from_directory
from pentanet.sources.own_files import read_beside
from pentanet.sources.source import to_float


def from_packed(path: Path, config: Mapping[str, Any], section: BitnetSection, *, allow_pickle: bool = False) -> Found:
    """A packed directory.

    Args:
        path: the directory.
        config: its config.json.
        section: what that says of the weights.
        allow_pickle: see `HubFiles`.

    Raises:
        FormatError: a tensor that is missing, of another shape or type, or damaged; a network that is not known.
    """
    where = f"{path}/config.json"
    hub = {key: value for key, value in config.items() if key != "quantization_config"}
    files = HubFiles(path, allow_pickle=allow_pickle)
    try:
        sizes, vocab = config_from_hub(hub), int(hub["vocab_size"])
        head, embedding = (f"{name}.weight" for name in (family_of(sizes).head, family_of(sizes).embedding))
        if hub.get("tie_word_embeddings") and head in files.stored and embedding in files.stored:
            # transformers leaves two different matrices apart, whatever config.json says
            same = torch.equal(files.tensor(head), files.tensor(embedding))
            hub = {**hub, "tie_word_embeddings": same}
            sizes = config_from_hub(hub)
        hub = canonical_config(hub)
    except (ConfigError, KeyError, TypeError, ValueError) as error:
        raise ModelConfigError(f"{where}: {error}") from None
    section.require_blocks(linear_names(sizes, vocab), family_of(sizes).head, where)

    def codes(name: str, shape: tuple[int, ...]) -> Codes:
        packed = _tensor(files, name, path)
        levels = unpack_rows(packed.numpy() if not packed.is_floating_point() else packed.float().numpy(), name, path)
        if levels.shape != shape:
            raise ShapeError(
                f"{path}: tensor '{name}' is {list(packed.shape)}, which is not {list(shape)} as packed by BitNet"
            )
        scale = values(f"{name}_scale", (1,))
        with np.errstate(divide="ignore"):
            return Codes(levels, (np.float32(1) / scale if section.divides else scale).reshape(1, 1), TERNARY)

    def values(name: str, shape: tuple[int, ...]) -> NDArray[np.float32]:
        found = _tensor(files, name, path)
        if tuple(found.shape) != shape and not (shape == (1,) and found.shape == ()):
            raise ShapeError(f"{path}: tensor '{name}' is {list(found.shape)}, not {list(shape)}")
        return to_float(found.reshape(shape), f"{path}: tensor '{name}'").numpy()

    how = "divided by their scale (bitlinear)" if section.divides else "times their scale (autobitlinear)"
    return Found(
        kind=f"packed BitNet weights, {how}",
        config=hub,
        tensors=assemble(sizes, vocab, codes=codes, values=values),
        method="bitnet-b158",
        activations="int8",
        files=read_beside(path),
        facts=from_directory(path),
    )


def unpack_rows(packed: NDArray[Any], name: str, path: Path) -> NDArray[np.int8]:
    """Levels [rows, cols] of bytes [rows / 4, cols]: bits 2i and 2i+1 of (r, c) are level (i rows / 4 + r, c), plus 1.

    Raises:
        FormatError: not bytes, or the code 3.
    """
    if packed.dtype != np.uint8 or packed.ndim != 2:
        raise FormatError(
            f"{path}: '{name}' is {packed.dtype} {list(packed.shape)}, and not packed as config.json says. Masters in "
            "floats have quantization_mode online, or need no quantization_config and --masters."
        )
    codes = np.concatenate([packed >> shift & 3 for shift in (0, 2, 4, 6)])
    if (codes == 3).any():
        raise FormatError(f"{path}: '{name}' has a code that is no level. Copy or download it again.")
    return codes.astype(np.int8) - np.int8(1)


def _tensor(files: HubFiles, name: str, path: Path) -> torch.Tensor:
    if name not in files.stored:
        raise MissingTensorError(f"{path}: tensor '{name}' of the network in config.json is not there")
    return files.tensor(name)

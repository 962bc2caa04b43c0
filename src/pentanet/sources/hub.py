"""A Hugging Face model directory: config.json, and safetensors in one file or in shards with an index.

The files are mapped; rows are read where they are asked for.
"""

from __future__ import annotations

from pathlib import Path
from typing import cast

import torch
from safetensors import SafetensorError
from torch import Tensor

from pentanet.errors import HeaderError, MissingFileError
from pentanet.families import family_of
from pentanet.format.model_dir import read_config
from pentanet.format.wrong_path import advice
from pentanet.regular import own_file
from pentanet.sources.defaults import constant, full_name, head_of, require_supported, transposed
from pentanet.sources.hub_files import FLOATS, HubFiles
from pentanet.sources.origin import from_directory
from pentanet.sources.own_files import read_beside
from pentanet.sources.source import Source, to_float

_COMPARED = 1 << 22  # weights at a time


class HubSource(Source):
    """A directory as `save_pretrained` writes it.

    Args:
        path: the directory.
        allow_pickle: read pytorch_model.bin where there are no safetensors.
        rounded: also read the floats of networks whose training rounds them, for whoever rounds them alike.

    Raises:
        MissingFileError: there is no config.json.
        HeaderError: a tensor that does not hold floats.
        MissingFileError, UnsafeFileError, MissingTensorError: see `HubFiles`.
        ModelConfigError, ShapeError, UnexpectedTensorError, UnsupportedArchitectureError: see `Source`.
    """

    def __init__(self, path: Path, *, allow_pickle: bool = False, rounded: bool = False) -> None:
        if own_file(path, "config.json") is None:
            raise MissingFileError(path / "config.json", advice(path))
        config = read_config(path / "config.json")
        require_supported(config, str(path), rounded=rounded)  # names what is wrong before its tensors do
        kind = str(config["model_type"])
        self._held = HubFiles(path, allow_pickle=allow_pickle)
        for name, found in self._held.stored.items():
            if found.dtype not in FLOATS.values() and not constant(name, kind):  # a mask of GPT-2 may be of booleans
                known = ", ".join(FLOATS.values())
                raise HeaderError(f"{self._held.where(name)} is {found.dtype}, expected one of {known}")
        self._names = {full_name(name, kind): name for name in self._held.stored}
        shapes = {name: self._held.stored[stored].shape for name, stored in self._names.items()}
        self._transposed = {name for name, shape in shapes.items() if transposed(name, kind) and len(shape) == 2}
        shapes = {name: shape[::-1] if name in self._transposed else shape for name, shape in shapes.items()}
        files = read_beside(path)
        self.facts = from_directory(path)
        super().__init__(path, config, files, shapes, rounded=rounded)
        if self._has_other_head():  # transformers then leaves the two apart, whatever config.json says
            super().__init__(path, {**config, "tie_word_embeddings": False}, files, shapes, rounded=rounded)

    def _has_other_head(self) -> bool:
        """Whether the network is tied, and the head in its files is another matrix than the embedding."""
        head = head_of(str(self.hub_config["model_type"]))
        embedding = f"{family_of(self.config).embedding}.weight"
        if not self.hub_config["tie_word_embeddings"] or head not in self.shapes:
            return False
        if self.shapes[embedding] != self.shapes[head]:
            return True
        rows = max(1, _COMPARED // self.config.width)
        pairs = zip(self.row_blocks(embedding, rows), self.row_blocks(head, rows), strict=True)
        return not all(torch.equal(ours, theirs) for ours, theirs in pairs)

    def rows(self, name: str, start: int, stop: int) -> Tensor:
        stored = self._names[name]
        where = self._held.where(stored)
        try:
            values = self._held.values(stored)
            if name in self._transposed:
                return to_float(cast("Tensor", values[:, start:stop]).t(), where)
            return to_float(cast("Tensor", values[start:stop]), where)
        except SafetensorError as error:
            raise HeaderError(f"{where}: {error}. Copy or download it again.") from None

    def weight_files(self) -> list[Path]:
        return self._held.files()

"""A Hugging Face model directory: config.json, and safetensors in one file or in shards with an index.

The files are mapped; rows are read where they are asked for.  `pytorch_model.bin` is a pickle, which can run code: it
is read only on request, with torch's loader that makes nothing but tensors.
"""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import Any, cast

import torch
from safetensors import SafetensorError, safe_open
from torch import Tensor

from pentanet.errors import HeaderError, MissingFileError, MissingTensorError, ModelConfigError, UnsafeFileError
from pentanet.families import family_of
from pentanet.format.header import strict_json
from pentanet.format.model_dir import read_config
from pentanet.sources.defaults import constant, full_name, head_of, require_supported, transposed
from pentanet.sources.origin import from_directory
from pentanet.sources.own_files import own_file, read_beside
from pentanet.sources.source import Source, to_float

SINGLE, INDEX = "model.safetensors", "model.safetensors.index.json"
PICKLES = ("pytorch_model.bin", "pytorch_model.bin.index.json")
_COMPARED = 1 << 22  # weights at a time
_FLOATS = ("F64", "F32", "F16", "BF16")


class HubSource(Source):
    """A directory as `save_pretrained` writes it.

    Raises:
        MissingFileError: config.json, the weights or a shard is not there.
        UnsafeFileError: there are only pickles, and they are not allowed; a link that leads out of the directory.
        HeaderError: a file that is not safetensors, or ends too early; an index that is not JSON.
        MissingTensorError: the index names a tensor that its shard does not hold.
        ModelConfigError, ShapeError, UnexpectedTensorError, UnsupportedArchitectureError: see `Source`.
    """

    def __init__(self, path: Path, *, allow_pickle: bool = False) -> None:
        if own_file(path, "config.json") is None and (path / "snapshots").is_dir():
            raise MissingFileError(path / "config.json", f"Name one of the folders in {path / 'snapshots'}.")
        config = read_config(path / "config.json")
        require_supported(config, str(path))  # names what is wrong before its tensors do
        kind = str(config["model_type"])
        where, self._handles, found = _open_files(path, kind, allow_pickle)
        names = {full_name(name, kind): name for name in found}
        self._stored = {name: (where[stored], stored) for name, stored in names.items()}
        self._transposed = {
            name for name, stored in names.items() if transposed(name, kind) and len(found[stored]) == 2
        }
        shapes = {n: found[stored][::-1] if n in self._transposed else found[stored] for n, stored in names.items()}
        files = read_beside(path)
        self.facts = from_directory(path)
        super().__init__(path, config, files, shapes)
        if self._has_other_head():  # transformers then leaves the two apart, whatever config.json says
            super().__init__(path, {**config, "tie_word_embeddings": False}, files, shapes)

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
        file, stored = self._stored[name]
        handle, where = self._handles[file], f"{file}: tensor '{stored}'"
        try:
            values = handle[stored] if isinstance(handle, dict) else handle.get_slice(stored)
            if name in self._transposed:
                return to_float(cast("Tensor", values[:, start:stop]).t(), where)
            return to_float(cast("Tensor", values[start:stop]), where)
        except SafetensorError as error:
            raise HeaderError(f"{where}: {error}. Copy or download it again.") from None

    def weight_files(self) -> list[Path]:
        return sorted(self._handles)


def _open_files(
    path: Path, kind: str, allow_pickle: bool
) -> tuple[dict[str, Path], dict[Path, Any], dict[str, tuple[int, ...]]]:
    """The file of each tensor, the open files, and the shape of each tensor of a model of this type."""
    if own_file(path, SINGLE):  # transformers takes it too, whatever an index beside it says
        handles = {path / SINGLE: _open(path / SINGLE)}
        where = dict.fromkeys(sorted(handles[path / SINGLE].keys()), path / SINGLE)
    elif own_file(path, INDEX):
        where = _read_index(path / INDEX)
        handles = {file: _open(file) for file in sorted(set(where.values()))}
        _compare(path / INDEX, where, handles)
    elif any(own_file(path, name) for name in PICKLES):
        return _open_pickle(path, allow_pickle)
    else:
        raise MissingFileError(path / SINGLE, f"Expected a model directory with {SINGLE}, or {INDEX} and its shards.")
    shapes: dict[str, tuple[int, ...]] = {}
    for name, file in where.items():
        found = handles[file].get_slice(name)
        if found.get_dtype() not in _FLOATS and not constant(name, kind):  # a mask of GPT-2 may be of booleans
            raise HeaderError(f"{file}: tensor '{name}' is {found.get_dtype()}, expected one of {', '.join(_FLOATS)}")
        shapes[name] = tuple(found.get_shape())
    return where, handles, shapes


def _compare(index: Path, where: Mapping[str, Path], handles: Mapping[Path, Any]) -> None:
    """The index and the shards name the same tensors."""
    held = {file: set(handle.keys()) for file, handle in handles.items()}
    for name, file in where.items():
        if name not in held[file]:
            raise MissingTensorError(
                f"{index}: says that {file.name} holds '{name}', but it does not. Copy or download both again."
            )
    for file, names in held.items():
        for name in sorted(names):
            if where.get(name) != file:
                raise MissingTensorError(f"{index}: does not know of tensor '{name}' in {file.name}")


def _read_index(path: Path) -> dict[str, Path]:
    fields = strict_json(path.read_bytes(), path)
    found = fields.get("weight_map")
    if not isinstance(found, Mapping) or not found:
        raise HeaderError(f"{path}: expected a table 'weight_map' of tensor names and file names")
    where: dict[str, Path] = {}
    for name, file in cast("Mapping[str, object]", found).items():
        # A name with a path in it could point anywhere on the machine.
        if not isinstance(file, str) or Path(file).name != file or not file.endswith(".safetensors"):
            raise HeaderError(f"{path}: tensor '{name}' lies in {file!r:.80}, which is no name of a safetensors file")
        where[name] = path.parent / file
    return where


def _open(file: Path) -> Any:
    own_file(file.parent, file.name)
    try:
        return safe_open(file, framework="pt")
    except FileNotFoundError:
        raise MissingFileError(file, f"{INDEX} names it. Copy or download the missing shard.") from None
    except (SafetensorError, OSError) as error:
        raise HeaderError(f"{file}: not a safetensors file ({error}). Copy or download it again.") from None


def _open_pickle(path: Path, allowed: bool) -> tuple[dict[str, Path], dict[Path, Any], dict[str, tuple[int, ...]]]:
    file = path / PICKLES[0]
    if not allowed:
        raise UnsafeFileError(
            f"{path}: only has pickled weights ({PICKLES[0]}), which can run code when they are opened. Get the "
            "safetensors of the model, or pass --allow-pickle if you trust where it comes from."
        )
    if not own_file(path, PICKLES[0]):
        raise UnsafeFileError(f"{path}: pickled weights in shards are not read. Convert the model to safetensors.")
    try:
        state = torch.load(file, map_location="cpu", weights_only=True, mmap=True)
    except Exception as error:  # torch raises what the pickle machine did
        raise HeaderError(
            f"{file}: cannot be read ({type(error).__name__}). Convert the model to safetensors."
        ) from None
    if not isinstance(state, dict) or not all(isinstance(value, Tensor) for value in state.values()):
        raise ModelConfigError(f"{file}: expected a table of tensors")
    weights = cast("dict[str, Tensor]", state)
    return dict.fromkeys(weights, file), {file: weights}, {name: tuple(value.shape) for name, value in weights.items()}

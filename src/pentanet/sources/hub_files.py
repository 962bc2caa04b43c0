"""The weights of a model directory by the names in its files: safetensors in one file or in shards, or a pickle.

Headers are read when the files are opened, values where they are asked for.  `pytorch_model.bin` is a pickle, which can
run code: it is read only on request, with torch's loader that makes nothing but tensors.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from types import MappingProxyType
from typing import Any, cast

import torch
from safetensors import SafetensorError, safe_open
from torch import Tensor

from pentanet.errors import HeaderError, MissingFileError, MissingTensorError, ModelConfigError, UnsafeFileError
from pentanet.format.header import strict_json
from pentanet.regular import own_file, read_regular

SINGLE, INDEX = "model.safetensors", "model.safetensors.index.json"
PICKLES = ("pytorch_model.bin", "pytorch_model.bin.index.json")
FLOATS: Mapping[torch.dtype, str] = MappingProxyType(
    {torch.float64: "F64", torch.float32: "F32", torch.float16: "F16", torch.bfloat16: "BF16"}
)
"""Types of weights, and what safetensors calls them."""
_MAX_INDEX = 1 << 26  # bytes; those of the largest models of the hub have 10 MB


@dataclass(frozen=True, slots=True)
class Stored:
    """A tensor in a file, before it is read.

    Attributes:
        file: which one.
        dtype: as safetensors calls it.
        shape: as it lies there.
    """

    file: Path
    dtype: str
    shape: tuple[int, ...]


class HubFiles:
    """The open weights of a directory.

    Attributes:
        stored: every tensor by its name.

    Raises:
        MissingFileError: the weights or a shard is not there.
        UnsafeFileError: there are only pickles, and they are not allowed; a link that leads out of the directory.
        HeaderError: a file that is not safetensors, or ends too early; an index that is not JSON.
        MissingTensorError: the index names a tensor that its shard does not hold, or leaves one out.
        ModelConfigError: a pickle that is no table of tensors.
    """

    def __init__(self, path: Path, *, allow_pickle: bool = False) -> None:
        self._handles: dict[Path, Any] = {}
        if own_file(path, SINGLE):  # transformers takes it too, whatever an index beside it says
            self._handles[path / SINGLE] = _open(path / SINGLE)
            where = dict.fromkeys(sorted(self._handles[path / SINGLE].keys()), path / SINGLE)
        elif own_file(path, INDEX):
            where = _read_index(path / INDEX)
            self._handles |= {file: _open(file) for file in sorted(set(where.values()))}
            _compare(path / INDEX, where, self._handles)
        elif any(own_file(path, name) for name in PICKLES):
            state = load_pickle(_pickle(path, allow_pickle))
            self._handles[path / PICKLES[0]] = state
            where = dict.fromkeys(state, path / PICKLES[0])
        else:
            raise MissingFileError(
                path / SINGLE, f"Expected a model directory with {SINGLE}, or {INDEX} and its shards."
            )
        self.stored = {name: _described(self._handles[file], name, file) for name, file in where.items()}

    def values(self, name: str) -> Any:
        """What the whole tensor is sliced out of; values of other types than torch has are a SafetensorError then."""
        handle = self._handles[self.stored[name].file]
        return handle[name] if isinstance(handle, dict) else handle.get_slice(name)

    def tensor(self, name: str) -> Tensor:
        """A whole tensor, in the type that it is stored in.

        Raises:
            MissingTensorError: there is none of this name.
            HeaderError: it cannot be read.
        """
        if name not in self.stored:
            raise MissingTensorError(f"{self.files()[0].parent}: tensor '{name}' is not there")
        try:
            handle = self._handles[self.stored[name].file]
            return cast("Tensor", handle[name] if isinstance(handle, dict) else handle.get_tensor(name))
        except SafetensorError as error:
            raise HeaderError(f"{self.where(name)}: {error}. Copy or download it again.") from None

    def where(self, name: str) -> str:
        """File and tensor, for messages."""
        return f"{self.stored[name].file}: tensor '{name}'"

    def files(self) -> list[Path]:
        """The files that hold the tensors."""
        return sorted(self._handles)


def load_pickle(file: Path) -> dict[str, Tensor]:
    """A table of tensors that torch.save wrote; nothing but tensors is made of it.

    Raises:
        HeaderError: it cannot be read so, or holds a tensor whose values are not all there: a few bytes could claim
            terabytes.
        ModelConfigError: something else than tensors by name.
    """
    try:
        state = torch.load(file, map_location="cpu", weights_only=True, mmap=True)
    except Exception as error:  # torch raises what the pickle machine did
        raise HeaderError(
            f"{file}: cannot be read ({type(error).__name__}). Convert the model to safetensors."
        ) from None
    found: dict[object, object] = state if isinstance(state, dict) else {None: state}  # pyright: ignore[reportUnknownVariableType]
    for name, tensor in found.items():
        if not isinstance(name, str) or not isinstance(tensor, Tensor):
            raise ModelConfigError(f"{file}: expected a table of tensors by name")
        if tensor.layout != torch.strided or tensor.untyped_storage().nbytes() < tensor.numel() * tensor.element_size():
            raise HeaderError(f"{file}: tensor '{name}' does not hold all of its values: save it contiguous and dense")
    return cast("dict[str, Tensor]", state)


def _described(handle: Any, name: str, file: Path) -> Stored:
    if isinstance(handle, dict):
        tensor = cast("dict[str, Tensor]", handle)[name]
        return Stored(file, FLOATS.get(tensor.dtype, str(tensor.dtype)), tuple(tensor.shape))
    found = handle.get_slice(name)
    return Stored(file, str(found.get_dtype()), tuple(found.get_shape()))


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
    raw = read_regular(path, _MAX_INDEX)
    if len(raw) > _MAX_INDEX:
        raise HeaderError(f"{path}: larger than {_MAX_INDEX} bytes, which no index of shards is")
    found = strict_json(raw, path).get("weight_map")
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


def _pickle(path: Path, allowed: bool) -> Path:
    if not allowed:
        raise UnsafeFileError(
            f"{path}: only has pickled weights ({PICKLES[0]}), which can run code when they are opened. Get the "
            "safetensors of the model, or pass --allow-pickle if you trust where it comes from."
        )
    if not own_file(path, PICKLES[0]):
        raise UnsafeFileError(f"{path}: pickled weights in shards are not read. Convert the model to safetensors.")
    return path / PICKLES[0]

"""A .gguf file as a source: any types of blocks that the package gguf can turn into floats.

Names, sizes and the order of rows are Hugging Face's; what llama.cpp has otherwise, the family of the network knows.
"""

from __future__ import annotations

import re
from pathlib import Path
from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from pentanet.errors import FormatError, HeaderError, MissingFileError, PentaNetError, UnsupportedArchitectureError
from pentanet.gguf import package
from pentanet.gguf.architecture import architectures
from pentanet.gguf.row_order import hub_order
from pentanet.sources.gguf_tokenizer import tokenizer_files
from pentanet.sources.origin import from_gguf
from pentanet.sources.source import Source, to_float

_UNKNOWN_TYPE = re.compile(r"(\d+)\)? is not a valid GGMLQuantizationType")
# Types that derived programs gave numbers of their own.
_PRIVATE = {36: "i2_s of bitnet.cpp", 134: "iq1_bn of ik_llama.cpp", 135: "iq2_bn of ik_llama.cpp"}


class GgufSource(Source):
    """A GGUF file.

    Raises:
        MissingExtraError: the package gguf is not installed.
        MissingFileError: no such file.
        HeaderError: not a GGUF file, one that ends too early, or a key with a value of another kind.
        UnsupportedArchitectureError: an architecture or a tokenizer that is not known.
        ModelConfigError: a key that is missing.
        ShapeError, MissingTensorError, UnexpectedTensorError: see `Source`.
    """

    def __init__(self, path: Path) -> None:
        self._gguf = package.load("gguf", "reading a .gguf file")
        tensors, fields = self._open(path)
        kind = str(fields.get("general.architecture"))
        known = architectures()
        if kind not in known:
            raise UnsupportedArchitectureError(
                f"{path}: architecture '{kind:.40}' is not supported. Supported: {', '.join(known)}."
            )
        self._architecture, self._names = kind, known[kind]
        self._tensors: dict[str, Any] = {}
        shapes: dict[str, tuple[int, ...]] = {}
        constants: dict[str, NDArray[np.float32]] = {}
        for tensor in tensors:
            if tensor.name in self._names.constants:
                constants[tensor.name] = self._constant(tensor, path)
                continue
            name = self._names.ours(tensor.name)
            if name is None:
                raise UnsupportedArchitectureError(f"{path}: tensor '{tensor.name}' is of no network that is supported")
            self._tensors[name] = tensor
            shapes[name] = tuple(int(n) for n in reversed(tensor.shape))
        try:
            config = self._names.read_config(fields, shapes, constants, str(path))
            files = tokenizer_files(fields, str(path))
        except PentaNetError:
            raise
        except Exception as error:  # a value of another kind than its key has
            raise _unreadable(error, path) from error
        self.facts = from_gguf(fields)
        super().__init__(path, config, files, shapes)

    def rows(self, name: str, start: int, stop: int) -> Tensor:
        tensor, shape = self._tensors[name], self.shapes[name]
        data: NDArray[Any] = tensor.data if len(shape) > 1 else tensor.data.reshape(1, -1)
        heads = self._names.heads(name, self.config, self._architecture)
        whole = self.shapes[name][0]
        chosen = hub_order(whole, heads)[start:stop] if heads else slice(start, stop)
        if len(shape) > 1:
            data = data[chosen]
        try:
            values = self._gguf.quants.dequantize(data, tensor.tensor_type)
        except (NotImplementedError, ValueError) as error:
            kind = getattr(tensor.tensor_type, "name", tensor.tensor_type)
            raise HeaderError(f"{self.path}: tensor '{tensor.name}' of type {kind} cannot be read: {error}") from None
        found = torch.from_numpy(np.array(values, np.float32))
        found = found.reshape(-1, *shape[1:]) if len(shape) > 1 else found.reshape(-1)[chosen]
        return to_float(found, f"{self.path}: tensor '{tensor.name}'")

    def weight_files(self) -> list[Path]:
        return [self.path]

    def _constant(self, tensor: Any, path: Path) -> NDArray[np.float32]:
        kind = getattr(tensor.tensor_type, "name", str(tensor.tensor_type))
        if kind != "F32":
            raise HeaderError(f"{path}: tensor '{tensor.name}' is {kind}, expected F32")
        return np.array(tensor.data, np.float32)

    def _open(self, path: Path) -> tuple[list[Any], dict[str, Any]]:
        """The tensors, and the metadata by name."""
        if not path.is_file():
            raise MissingFileError(path, "Check the name.")
        try:
            reader = self._gguf.GGUFReader(str(path))
            fields = {name: field.contents() for name, field in reader.fields.items() if not name.startswith("GGUF.")}
        except Exception as error:  # whatever parsing it ran into: the package checks little
            raise _unreadable(error, path) from None
        parts = fields.get("split.count", 1)
        if parts != 1:
            raise UnsupportedArchitectureError(
                f"{path}: one of {parts!r:.40} parts of a model. Join them: llama-gguf-split --merge FIRST_PART OUT"
            )
        return reader.tensors, fields


def _unreadable(error: Exception, path: Path) -> FormatError:
    """What keeps the package from reading a file: a type of blocks that stock llama.cpp does not have, or damage."""
    if found := _UNKNOWN_TYPE.search(str(error)):
        number = int(found[1])
        known = f"{_PRIVATE[number]}, " if number in _PRIVATE else ""
        return UnsupportedArchitectureError(
            f"{path}: has tensors of type {number} ({known}no type of stock llama.cpp), which are not read. Take the "
            "safetensors directory that the file was made of, or a file with stock types."
        )
    return HeaderError(f"{path}: not a whole GGUF file ({error}). Copy or download it again.")

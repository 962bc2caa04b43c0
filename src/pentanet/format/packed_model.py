"""An open model directory: any rows of any tensor, without unpacking the rest."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from pentanet.codes import Codes
from pentanet.errors import ModelConfigError, ShapeError, UnknownNameError
from pentanet.format import layouts
from pentanet.format.container import Container
from pentanet.format.tensors import CodedSpec, PlainSpec, TensorSpec, bias_name, from_bfloat16, scale_name
from pentanet.linear_options import Activations, LowRank

CONFIG, TENSORS, TOKENIZER, CARD = "config.json", "model.safetensors", "tokenizer.json", "README.md"


@dataclass(frozen=True, kw_only=True, slots=True, eq=False)
class PackedModel:
    """An open model directory.  Arrays that it hands out are copies; the file stays mapped while it lives.

    Attributes:
        path: the directory.
        config: content of config.json.
        method: registry name of the weight method.
        activations: how linears round their inputs.
        low_rank: what stands beside them.
        specs: how each tensor is stored, in the order of config.json.
        tensor_file: the open model.safetensors.
    """

    path: Path
    config: dict[str, Any]
    method: str
    activations: Activations
    low_rank: LowRank
    specs: Mapping[str, TensorSpec]
    tensor_file: Container

    @property
    def names(self) -> tuple[str, ...]:
        """Names of the tensors; scales and biases belong to their tensor and have none of their own."""
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
        part = scales if len(scales) == 1 else scales[start:stop]
        return Codes(levels, part, spec.grid, planes=spec.planes).dequantize()

    def levels(self, name: str, start: int, stop: int) -> NDArray[np.int8]:
        """Rows start..stop-1 of a coded matrix: levels [stop - start, planes * cols]; raises what `rows` does."""
        spec = self._coded(name)
        layout, rows = layouts.layout(spec.layout), spec.shape[0]
        return layout.decode_rows(self.tensor_file.raw(name), spec.grid, rows, spec.inputs, start, stop, name)

    def scales(self, name: str) -> NDArray[np.float32]:
        """Scales [r, g] of a coded matrix.  Raises what `codes` raises."""
        shape = self._coded(name).scales
        return _plain(self.tensor_file.raw(scale_name(name)), "float32", shape)

    def bias(self, name: str) -> NDArray[np.float32] | None:
        """Bias [rows] of a coded matrix, None where it has none.  Raises what `codes` raises."""
        spec = self._coded(name)
        return _plain(self.tensor_file.raw(bias_name(name)), "float32", spec.shape[:1]) if spec.bias else None

    def codes(self, name: str) -> Codes:
        """A whole coded matrix.

        Raises:
            UnknownNameError: no such tensor.
            ModelConfigError: it is stored as plain values.
            CodeError: bytes that no encoder writes.
        """
        spec = self._coded(name)
        return Codes(self.levels(name, 0, spec.shape[0]), self.scales(name), spec.grid, self.bias(name), spec.planes)

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


def _plain(raw: NDArray[np.uint8], dtype: str, shape: tuple[int, ...]) -> NDArray[np.float32]:
    values = from_bfloat16(raw.view("<u2")) if dtype == "bfloat16" else raw.view("<f4").astype(np.float32)
    return values.reshape(shape)

"""Torch modules whose weights stay packed: the slow path, and the reference for every faster one.

Levels are held as int8; a float matrix exists only while its own layer runs.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import torch
import torch.nn.functional as F
from torch import Tensor, nn

from pentanet.format.packed_model import PackedModel
from pentanet.format.tensors import CodedSpec
from pentanet.linear_options import Activations, LowRank, RoundingChoice
from pentanet.nn.input_rounding import Int8, input_quantizer
from pentanet.nn.low_rank import low_rank_path


@dataclass(frozen=True, kw_only=True, slots=True)
class Coded:
    """Levels int8 [rows, groups, cols / groups], scales float32 [rows or 1, groups, 1] and perhaps a bias [rows].

    The groups of several planes stand one after the other, and the planes are added up.
    """

    levels: Tensor
    scales: Tensor
    bias: Tensor | None = None
    planes: int = 1

    def rows(self, index: Tensor) -> Tensor:
        """Weights [n, cols] of the rows `index` [n]."""
        scales = self.scales if len(self.scales) == 1 else self.scales[index]
        return self._added(self.levels[index].float() * scales)

    def all(self) -> Tensor:
        """Weights [rows, cols]: one float32 product each, as `Codes.dequantize`."""
        return self._added(self.levels.float() * self.scales)

    def _added(self, products: Tensor) -> Tensor:
        first, *others = products.flatten(1).chunk(self.planes, dim=1)
        for other in others:
            first = first + other
        return first


@dataclass(frozen=True, kw_only=True, slots=True)
class Plain:
    """Values as they are stored, bfloat16 or float32 [rows, cols]."""

    values: Tensor
    bias: None = None

    def rows(self, index: Tensor) -> Tensor:
        """Weights [n, cols] of the rows `index` [n]."""
        return self.values[index].float()

    def all(self) -> Tensor:
        """Weights [rows, cols]."""
        return self.values.float()


class PackedMatrix(nn.Module):
    """A matrix [rows, cols] that is attached to a tensor of a packed model after the network is built."""

    matrix: Coded | Plain

    def __init__(self, rows: int, cols: int) -> None:
        super().__init__()
        self.shape = (rows, cols)

    def attach(self, model: PackedModel, name: str) -> None:
        """Take the tensor `name`, whose shape has been checked."""
        spec = model.spec(name)
        if isinstance(spec, CodedSpec):
            codes = model.codes(name)
            rows, groups = codes.scales.shape
            self.matrix = Coded(
                levels=torch.from_numpy(codes.levels.reshape(self.shape[0], groups, -1)),
                scales=torch.from_numpy(codes.scales.reshape(rows, groups, 1)),
                bias=None if codes.bias is None else torch.from_numpy(codes.bias),
                planes=codes.planes,
            )
        else:
            dtype = torch.bfloat16 if spec.dtype == "bfloat16" else torch.float32
            self.matrix = Plain(values=torch.from_numpy(np.ascontiguousarray(model.plain(name))).to(dtype))

    def extra_repr(self) -> str:
        return f"{self.shape[1]} -> {self.shape[0]}"


class PackedLinear(PackedMatrix):
    """x [..., cols] -> [..., rows]; inputs are rounded in front of codes and not of plain values.

    As in training with the rounding "auto", else as the native engine does it.
    """

    def __init__(
        self,
        rows: int,
        cols: int,
        activations: Activations = "none",
        low_rank: LowRank = "none",
        rounding: RoundingChoice = "auto",
    ) -> None:
        super().__init__(rows, cols)
        self.inputs = input_quantizer(activations) if rounding == "auto" else Int8(rounding)
        self.low_rank = low_rank_path(low_rank, cols, rows)

    def forward(self, x: Tensor) -> Tensor:
        rounded = self.inputs(x) if self.inputs is not None and isinstance(self.matrix, Coded) else x
        y = F.linear(rounded, self.matrix.all(), self.matrix.bias)
        return y if self.low_rank is None else y + self.low_rank(x, progress=1.0)


class PackedEmbedding(PackedMatrix):
    """ids [...] -> [..., cols]; only the rows that are looked up become floats."""

    def forward(self, ids: Tensor) -> Tensor:
        return self.matrix.rows(ids.flatten()).view(*ids.shape, -1)


class Packed:
    """The weight factory of packed models; `activations` and `low_rank` as in `pentanet.nn.Trainable`."""

    def __init__(
        self,
        activations: Activations = "none",
        low_rank: LowRank = "none",
        rounding: RoundingChoice = "auto",
    ) -> None:
        self.activations: Activations = activations
        self.low_rank: LowRank = low_rank
        self.rounding: RoundingChoice = rounding

    def linear(self, inputs: int, outputs: int, *, bias: bool = False) -> PackedLinear:
        del bias  # which comes with the codes
        return PackedLinear(outputs, inputs, self.activations, self.low_rank, self.rounding)

    def embedding(self, vocab: int, width: int) -> PackedEmbedding:
        return PackedEmbedding(vocab, width)

    def head(self, inputs: int, vocab: int, tied_to: nn.Module | None) -> PackedLinear:
        del tied_to  # what the file stores once is attached twice
        return PackedLinear(vocab, inputs, "int8" if self.activations == "int8" else "none", rounding=self.rounding)

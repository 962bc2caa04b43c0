"""Modules that stand where transformers has nn.Linear and nn.Embedding."""

from __future__ import annotations

import importlib
from collections.abc import Callable
from typing import Any, Self

import numpy as np
import torch
import torch.nn.functional as F
from torch import Tensor, nn
from transformers.pytorch_utils import Conv1D

from pentanet.codes import Codes
from pentanet.errors import CheckpointError
from pentanet.format import layouts
from pentanet.format.tensors import CodedSpec, check_bias, check_scales
from pentanet.linear_options import Activations, LowRank
from pentanet.nn import QuantLinear
from pentanet.nn.input_rounding import Int8, input_quantizer
from pentanet.nn.low_rank import low_rank_path
from pentanet.quant import Quantizer
from pentanet.runtime.modules import Coded


class PackedWeight(nn.Module):
    """A coded matrix as the file has it, and its levels, unpacked once.

    Buffers `weight` (packed bytes), `weight_scale` and `weight_bias` are saved; `levels` int8 [rows, groups, n] is not.
    """

    weight: Tensor
    weight_scale: Tensor
    weight_bias: Tensor | None
    levels: Tensor

    def __init__(self, spec: CodedSpec) -> None:
        super().__init__()
        self.spec = spec
        packed = layouts.layout(spec.layout).packed_size(spec.shape[0], spec.inputs)
        self.register_buffer("weight", torch.empty(packed, dtype=torch.uint8))
        self.register_buffer("weight_scale", torch.empty(spec.scales, dtype=torch.float32))
        self.register_buffer("weight_bias", torch.empty(spec.shape[0], dtype=torch.float32) if spec.bias else None)

    def unpack(self, name: str) -> None:
        """Check what was loaded, and unpack it.

        Raises:
            ScaleError, BiasError, CodeError: it is not what a packer writes.
        """
        codes = self.codes(name)
        check_scales(codes.scales, codes.grid, name)
        if codes.bias is not None:
            check_bias(codes.bias, name)
        levels = torch.from_numpy(codes.levels.reshape(codes.shape[0], codes.scales.shape[1], -1))
        self.register_buffer("levels", levels.to(self.weight.device), persistent=False)

    def _apply(self, fn: Callable[[Tensor], Tensor], recurse: bool = True) -> Self:
        """Move to another device, but never to another type: scales of 8 bits of precision are other scales."""
        exact = {"weight_scale": self.weight_scale, "weight_bias": self.weight_bias}
        super()._apply(fn, recurse)
        for name, before in exact.items():
            after = getattr(self, name)
            if before is not None and after.dtype != before.dtype:
                setattr(self, name, before.to(after.device))
        return self

    def codes(self, name: str) -> Codes:
        """The matrix.  Raises CodeError for bytes that no encoder writes."""
        spec, layout = self.spec, layouts.layout(self.spec.layout)
        levels = layout.decode(self.weight.cpu().numpy(), spec.grid, spec.shape[0], spec.inputs, name)
        bias = None if self.weight_bias is None else self.weight_bias.float().cpu().numpy()
        return Codes(levels, self.weight_scale.float().cpu().numpy(), spec.grid, bias, spec.planes)

    def take(self, codes: Codes) -> None:
        """Hold this matrix."""
        packed = layouts.layout(self.spec.layout).encode(codes.levels, codes.grid)
        self.weight.copy_(torch.from_numpy(packed))
        self.weight_scale.copy_(torch.from_numpy(np.ascontiguousarray(codes.scales)))
        if self.weight_bias is not None and codes.bias is not None:
            self.weight_bias.copy_(torch.from_numpy(codes.bias))

    def matrix(self) -> Coded:
        """The matrix as the slow path of the runtime has it."""
        return Coded(levels=self.levels, scales=self.weight_scale[:, :, None], planes=self.spec.planes)

    def extra_repr(self) -> str:
        return f"{self.spec.shape[1]} -> {self.spec.shape[0]}, {self.spec.layout}"


class PackedLinear(PackedWeight):
    """x [..., cols] -> [..., rows], in the type of x."""

    def __init__(self, spec: CodedSpec, activations: Activations = "none", low_rank: LowRank = "none") -> None:
        super().__init__(spec)
        rows, cols = self.out_features, self.in_features = spec.shape
        self.inputs = input_quantizer(activations)
        self.low_rank = low_rank_path(low_rank, cols, rows)
        self.engine = False

    def forward(self, x: Tensor) -> Tensor:
        if self.engine:
            spec = self.spec
            names = (spec.layout, spec.grid.name, *spec.shape)
            return torch.ops.pentanet.linear(x, self.weight, self.weight_scale, self.weight_bias, *names)
        rounded = x if self.inputs is None else self.inputs(x)
        bias = None if self.weight_bias is None else self.weight_bias.to(x.dtype)
        y = F.linear(rounded, self.matrix().all().to(x.dtype), bias)
        return y if self.low_rank is None else y + self.low_rank(x, progress=1.0)


def use_engine(model: nn.Module, on: bool = True) -> int:
    """Let packed linears multiply in the native engine, inputs rounded to int8 per token, or as floats again.

    Their operator is `torch.ops.pentanet.linear`, on the CPU.  Linears that it cannot do, with several planes, learned
    steps of their inputs or a path of low rank, stay as they are.

    Returns:
        How many it can do.
    """
    importlib.import_module("pentanet.kernels.torch_ops")  # registers the operator
    count = 0
    for module in model.modules():
        if isinstance(module, PackedLinear) and module.spec.planes == 1 and module.low_rank is None:
            if not isinstance(module.inputs, Int8 | None):
                continue
            module.engine = on
            count += 1
    return count


class PackedEmbedding(PackedWeight):
    """ids [...] -> [..., cols]; the look-up ignores a bias."""

    def forward(self, ids: Tensor) -> Tensor:
        return self.matrix().rows(ids.flatten()).view(*ids.shape, -1)


class TiedHead(nn.Module):
    """The head that is the embedding, of which the file has one."""

    def __init__(self, embedding: PackedEmbedding, activations: Activations) -> None:
        super().__init__()
        self._embedding = (embedding,)  # a tuple, so that torch does not count it as a part of the head
        self.inputs = input_quantizer("int8") if activations == "int8" else None

    def forward(self, x: Tensor) -> Tensor:
        rounded = x if self.inputs is None else self.inputs(x)
        return F.linear(rounded, self._embedding[0].matrix().all().to(x.dtype))


class LatentLinear(QuantLinear):
    """A linear that trains through its quantizer; its `weight` is loaded where the network has its own.

    Conv1D of transformers is a linear whose weight is turned, [inputs, outputs]; it stays so in a checkpoint.
    """

    def __init__(self, linear: nn.Linear | Conv1D, quantizer: Quantizer, activations: Activations) -> None:
        self.turned = isinstance(linear, Conv1D)
        cols, rows = linear.weight.shape if self.turned else reversed(linear.weight.shape)
        super().__init__(rows, cols, quantizer, input_quantizer(activations))
        self.out_features, self.in_features = rows, cols
        self.weight = linear.weight
        self.bias = linear.bias

    @property
    def latent(self) -> Tensor:
        """The latent weight [rows, cols]."""
        return self.weight.T if self.turned else self.weight

    def codes(self) -> Codes:
        """What the file stores."""
        made = self.export()
        assert isinstance(made, Codes)  # methods without a grid are refused
        return made

    def _load_from_state_dict(self, state_dict: dict[str, Tensor], prefix: str, *others: Any, **more: Any) -> None:
        weight = state_dict.get(f"{prefix}weight")
        if weight is not None and not weight.is_floating_point():
            raise CheckpointError(
                f"{prefix}weight: packed, so the latent weight that training goes on with is not in this file. "
                "Resume from a directory that Trainer named checkpoint-N, or from save_pretrained(..., latent=True)"
            )
        super()._load_from_state_dict(state_dict, prefix, *others, **more)

"""Linear and embedding with a latent weight and a quantizer."""

from __future__ import annotations

from collections.abc import Iterator

import numpy as np
import torch
import torch.nn.functional as F
from numpy.typing import NDArray
from torch import Tensor, nn

from pentanet.codes import Codes
from pentanet.nn.low_rank import LowRankPath
from pentanet.quant import Quantizer


class _Quantized(nn.Module):
    """A latent weight [rows, cols] and the quantizer that stands between it and the forward pass.

    Attributes:
        by_method: the quantizer is the weight method under study; False for one that only models how an embedding or
            a head is stored.
    """

    def __init__(self, rows: int, cols: int, quantizer: Quantizer, *, by_method: bool = True) -> None:
        super().__init__()
        self.by_method = by_method
        self.weight = nn.Parameter(torch.empty(rows, cols))
        self.quantizer = quantizer
        self.progress = 0.0

    @property
    def latent(self) -> Tensor:
        """The latent weight [rows, cols], also where a network keeps it turned."""
        return self.weight

    def used_weight(self) -> Tensor:
        """The weight [rows, cols] that the forward pass multiplies by."""
        return self.quantizer.fake(self.latent, self.progress)

    @torch.no_grad()
    def draw(self, std: float, generator: torch.Generator) -> None:
        """Draw the latent weight from N(0, std^2)."""
        self.weight.normal_(0.0, std, generator=generator)

    def extra_repr(self) -> str:
        rows, cols = self.weight.shape
        return f"{cols} -> {rows}"


class QuantLinear(_Quantized):
    """y = x Q(W)^T + b: x [..., cols] -> y [..., rows]; some methods compute a further bias from W.

    Attributes:
        bias: [rows], of networks that were trained with one; or None.
        inputs: rounds x first, see `pentanet.nn.input_rounding`; None leaves it alone.  Stateless rounders are shared
            between linears with the same input, so that the input is rounded once: see `together`.
        low_rank: adds its own product of x, not rounded, see `pentanet.nn.low_rank`; or None.
    """

    bias: nn.Parameter | None

    def __init__(
        self,
        rows: int,
        cols: int,
        quantizer: Quantizer,
        inputs: nn.Module | None = None,
        low_rank: LowRankPath | None = None,
        *,
        by_method: bool = True,
    ) -> None:
        super().__init__(rows, cols, quantizer, by_method=by_method)
        self.inputs, self.low_rank = inputs, low_rank
        self.register_parameter("bias", None)

    def forward(self, x: Tensor, rounded: Tensor | None = None) -> Tensor:
        """Args: `x` [..., cols], and what `inputs` made of it, if that is known already."""
        used = self.used_weight()
        read = rounded if rounded is not None else x if self.inputs is None else self.inputs(x)
        y = F.linear(read, used, self.quantizer.bias(self.latent, used))
        y = y if self.bias is None else y + self.bias
        return y if self.low_rank is None else y + self.low_rank(x, self.progress)

    def export(self) -> Codes | NDArray[np.float32]:
        """What the file stores, as `Quantizer.export`; codes have the bias too."""
        made = self.quantizer.export(self.latent.detach().float())
        if self.bias is None or not isinstance(made, Codes):
            return made
        return made.plus_bias(self.bias.detach().float().cpu().numpy())


def together(x: Tensor, *linears: nn.Module) -> tuple[Tensor, ...]:
    """The product of x [..., cols] with each of several linears; what all of them round alike is rounded once."""
    inputs = {id(linear.inputs): linear.inputs for linear in linears if isinstance(linear, QuantLinear)}
    (rounding,) = inputs.values() if len(inputs) == 1 else (None,)
    if rounding is None or not all(isinstance(linear, QuantLinear) for linear in linears):
        return tuple(linear(x) for linear in linears)
    rounded = rounding(x)
    return tuple(linear(x, rounded) for linear in linears)


class QuantEmbedding(_Quantized):
    """ids [...] -> [..., cols]: rows of the weight as it is stored."""

    def forward(self, ids: Tensor) -> Tensor:
        return F.embedding(ids, self.used_weight())


def quantized_modules(model: nn.Module) -> Iterator[tuple[str, _Quantized]]:
    """Every module with a quantizer, by name."""
    for name, module in model.named_modules():
        if isinstance(module, _Quantized):
            yield name, module


def method_modules(model: nn.Module) -> Iterator[tuple[str, _Quantized]]:
    """The modules under the weight method, by name; a matrix that two of them share comes once."""
    seen: set[int] = set()
    for name, module in quantized_modules(model):
        if module.by_method and id(module.weight) not in seen:
            seen.add(id(module.weight))
            yield name, module


def set_progress(model: nn.Module, progress: float) -> None:
    """Tell every quantizer how much of the training is done, 0 to 1."""
    for _, module in quantized_modules(model):
        module.progress = progress


def initialize_quantizers(model: nn.Module) -> None:
    """Set the state of the method's quantizers from the weights as they are now."""
    for _, module in method_modules(model):
        module.quantizer.initialize(module.weight)


def draw_low_rank(model: nn.Module, generator: torch.Generator) -> None:
    """Draw the paths beside the linears, after all else: the other weights are the same with them and without."""
    for _, module in quantized_modules(model):
        if isinstance(module, QuantLinear) and module.low_rank is not None:
            module.low_rank.draw(generator)


def learned_steps(model: nn.Module) -> Iterator[nn.Parameter]:
    """Parameters that are no weights: the state of quantizers, of weights and of inputs."""
    for _, module in quantized_modules(model):
        yield from module.quantizer.parameters()
        if isinstance(module, QuantLinear) and module.inputs is not None:
            yield from module.inputs.parameters()


def count_parameters(model: nn.Module) -> tuple[int, int]:
    """Weights of the model (a tied one once, learned steps not), and those of them under the weight method."""
    own = {id(p) for p in learned_steps(model)}
    total = sum(p.numel() for p in model.parameters() if id(p) not in own)
    return total, sum(module.weight.numel() for _, module in method_modules(model))

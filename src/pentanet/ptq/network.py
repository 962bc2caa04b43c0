"""The network of a pretrained model, with its weights as they came."""

from __future__ import annotations

from collections.abc import Mapping
from typing import TYPE_CHECKING

import torch
from torch import nn

from pentanet.models import Network, build
from pentanet.nn import QuantEmbedding, QuantLinear
from pentanet.quant.uniform import Cast
from pentanet.shapes import ModelConfig

if TYPE_CHECKING:
    from pentanet.ptq.source import Source


class FloatWeights:
    """The weight factory of networks that nothing is rounded in."""

    def linear(self, inputs: int, outputs: int, *, bias: bool = False) -> QuantLinear:
        made = QuantLinear(outputs, inputs, Cast(torch.float32))
        if bias:
            made.bias = nn.Parameter(torch.empty(outputs))
        return made

    def embedding(self, vocab: int, width: int) -> QuantEmbedding:
        return QuantEmbedding(vocab, width, Cast(torch.float32), by_method=False)

    def head(self, inputs: int, vocab: int, tied_to: nn.Module | None) -> QuantLinear:
        head = QuantLinear(vocab, inputs, Cast(torch.float32), by_method=False)
        if tied_to is not None:
            assert isinstance(tied_to, QuantEmbedding)
            head.weight = tied_to.weight
        return head


def expected_shapes(config: ModelConfig, vocab: int) -> dict[str, tuple[int, ...]]:
    """Shapes of all tensors of a network, by Hugging Face name; a tied head has none of its own."""
    network = build(config, vocab, FloatWeights(), "meta")
    return {name: tuple(parameter.shape) for name, parameter in network.named_parameters()}


def linear_names(config: ModelConfig, vocab: int) -> list[str]:
    """Names of the weights that are quantized: those of the linears of the blocks, in the order of the network."""
    network = build(config, vocab, FloatWeights(), "meta")
    found = network.named_modules()
    return [f"{name}.weight" for name, module in found if isinstance(module, QuantLinear) and module.by_method]


def bias_of(name: str, shapes: Mapping[str, tuple[int, ...]]) -> str | None:
    """Name of the bias beside the weight of a linear, None where it has none."""
    bias = f"{name.removesuffix('.weight')}.bias"
    return bias if bias in shapes else None


@torch.no_grad()
def load_float(source: Source) -> Network:
    """The whole network in float32, in evaluation mode.  Raises as `Source.rows`."""
    network = build(source.config, source.vocab, FloatWeights())
    for name, parameter in network.named_parameters():
        parameter.copy_(source.tensor(name))
    return network.eval()

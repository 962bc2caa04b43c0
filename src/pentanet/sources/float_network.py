"""The network of a pretrained model, with its weights as they came."""

from __future__ import annotations

from pathlib import Path

import torch
from torch import nn

from pentanet.families.build import build
from pentanet.families.network import Network
from pentanet.nn import QuantEmbedding, QuantLinear
from pentanet.quant.uniform import Cast
from pentanet.runtime.endings import read_endings
from pentanet.runtime.load import Runtime
from pentanet.sources.open import open_source
from pentanet.sources.source import Source


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


@torch.no_grad()
def load_float(source: Source) -> Network:
    """The whole network in float32, in evaluation mode.  Raises as `Source.rows`."""
    network = build(source.config, source.vocab, FloatWeights())
    for name, parameter in network.named_parameters():
        parameter.copy_(source.tensor(name))
    return network.eval()


def load_original(path: str | Path, *, allow_pickle: bool = False) -> Runtime:
    """Open a pretrained model, with all its weights in float32 in memory.

    Args:
        path: a Hugging Face model directory, or a .gguf file.
        allow_pickle: read pytorch_model.bin where there are no safetensors.

    Raises:
        FormatError, MissingFileError, MissingExtraError, DataError, TokenizerMismatchError: as `open_source`.
    """
    source = open_source(path, allow_pickle=allow_pickle)
    tokenizer = source.tokenizer()
    return Runtime(
        network=load_float(source),
        tokenizer=tokenizer,
        path=source.path,
        config=source.hub_config,
        endings=read_endings(source.path, source.hub_config, tokenizer, source.files),
        files=source.files,
    )

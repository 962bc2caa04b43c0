"""Which module a network gets for each of its weights.

A network asks the factory for its linears, its embedding and its head.  Training hands it `Trainable`, with a latent
weight and a quantizer behind each; the runtime hands it one that reads packed bytes.  The network itself is the same.
"""

from __future__ import annotations

from typing import Protocol

from torch import nn

from pentanet.linear_options import Activations, LowRank
from pentanet.nn.input_rounding import input_quantizer
from pentanet.nn.low_rank import low_rank_path
from pentanet.nn.modules import QuantEmbedding, QuantLinear
from pentanet.nn.storage import storage_quantizer
from pentanet.quant import Quantizer
from pentanet.quant.late_rounding import LateQuantizer
from pentanet.quant.uniform import Cast


class WeightFactory(Protocol):
    """Makes the modules that hold weights, in the order in which the network asks."""

    def linear(self, inputs: int, outputs: int, *, bias: bool = False) -> nn.Module: ...
    def embedding(self, vocab: int, width: int) -> nn.Module: ...
    def head(self, inputs: int, vocab: int, tied_to: nn.Module | None) -> nn.Module: ...


class Trainable:
    """Latent weights behind quantizers.

    Args:
        method: registry name of the weight method of the linears.
        embedding: storage of the embedding, see `pentanet.nn.storage`.
        head: storage of the head.
        activations: how the linears round their inputs.  As in the native engine, int8 rounds in front of every matrix
            that is stored as codes, the head too; learned steps stand before the linears of the blocks alone.
        low_rank: the path beside the linears of the blocks.
        start: share of the training before the method begins to round, see `pentanet.quant.late_rounding`.
        anneal: share of the training in which it moves there.
    """

    def __init__(
        self,
        method: str,
        embedding: str = "int8",
        head: str = "int8",
        activations: Activations = "none",
        low_rank: LowRank = "none",
        *,
        start: float = 0.0,
        anneal: float = 0.0,
    ) -> None:
        self.method, self.embedding_storage, self.head_storage = method, embedding, head
        self.activations: Activations = activations
        self.low_rank: LowRank = low_rank
        self.start, self.anneal = start, anneal
        self._shared = None if activations.startswith("elastic") else input_quantizer(activations)

    def linear(self, inputs: int, outputs: int, *, bias: bool = False) -> QuantLinear:
        assert not bias, "TrainConfig refuses networks with biases"
        made = self._quantizer("grid")
        rounding = None if isinstance(made, Cast) else self._shared or input_quantizer(self.activations)
        return QuantLinear(outputs, inputs, made, rounding, low_rank_path(self.low_rank, inputs, outputs))

    def embedding(self, vocab: int, width: int) -> QuantEmbedding:
        storage = self.embedding_storage
        return QuantEmbedding(vocab, width, self._quantizer(storage), by_method=storage == "grid")

    def head(self, inputs: int, vocab: int, tied_to: nn.Module | None) -> QuantLinear:
        storage = self.head_storage
        made = self._quantizer(storage)
        rounding = input_quantizer("int8") if self.activations == "int8" and not isinstance(made, Cast) else None
        head = QuantLinear(vocab, inputs, made, rounding, by_method=storage == "grid")
        if tied_to is not None:
            assert isinstance(tied_to, QuantEmbedding)
            head.weight = tied_to.weight
            if storage == self.embedding_storage:  # stored once, so learned steps are shared too
                head.quantizer = tied_to.quantizer
        return head

    def _quantizer(self, storage: str) -> Quantizer:
        made = storage_quantizer(storage, self.method)
        if storage != "grid" or isinstance(made, Cast) or not (self.start or self.anneal):
            return made
        return LateQuantizer(made, start=self.start, anneal=self.anneal)

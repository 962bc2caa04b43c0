"""What a training run would be, without running it."""

from __future__ import annotations

from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

from pentanet.data import tokenizer as tokenizers
from pentanet.errors import ConfigError
from pentanet.format.model_dir import planned_bytes
from pentanet.nn import count_parameters
from pentanet.training import diagnostics
from pentanet.training.config import TrainConfig
from pentanet.training.loop import new_network
from pentanet.training.pack import export_tensors

GPT2_VOCAB = 50_257


@dataclass(frozen=True, kw_only=True, slots=True)
class Plan:
    """Sizes of a run.

    Attributes:
        parameters: weights of the model; a tied one counts once.
        quantized_parameters: those of them under the weight method.
        occupancy: share of them on each level at the start; None for full precision.
        tokens: that the run trains on.
        file_bytes: exact size of the packed model.safetensors.
        file_bits_per_weight: the same per parameter.
        memory_bytes: estimate of the memory that training takes; see `estimate_memory`.
    """

    method: str
    parameters: int
    quantized_parameters: int
    occupancy: dict[str, float] | None
    vocab: int
    steps: int
    tokens: int
    file_bytes: int
    file_bits_per_weight: float
    memory_bytes: int

    def to_dict(self) -> dict[str, Any]:
        """The fields as JSON can hold them."""
        return asdict(self)


def plan(config: TrainConfig) -> Plan:
    """Draw the initial weights, count, and throw them away; reads no text.

    A tokenizer that is still to be trained is taken to reach the size that is asked for.
    """
    vocab = planned_vocab(config.data.tokenizer)
    network = new_network(config, vocab)
    parameters, quantized = count_parameters(network)
    size = planned_bytes({name: tensor.spec for name, tensor in export_tensors(network).items()})
    return Plan(
        method=config.weights.method,
        parameters=parameters,
        quantized_parameters=quantized,
        occupancy=diagnostics.occupancy(diagnostics.levels(diagnostics.export(network))),
        vocab=vocab,
        steps=config.steps,
        tokens=config.tokens,
        file_bytes=size,
        file_bits_per_weight=8 * size / parameters,
        memory_bytes=estimate_memory(config, parameters, vocab),
    )


def planned_vocab(spec: str) -> int:
    """Number of tokens of a tokenizer specification.

    Raises:
        ConfigError: not a specification.
    """
    kind, _, size = spec.partition(":")
    if kind == "bpe":
        if not size.isdecimal() or int(size) < 1:
            raise ConfigError(f"data.tokenizer = '{spec}': expected bpe:SIZE, for example bpe:4096")
        return int(size)
    return GPT2_VOCAB if spec == "gpt2" else tokenizers.load(Path(spec)).get_vocab_size()


def estimate_memory(config: TrainConfig, parameters: int, vocab: int) -> int:
    """Bytes that training needs at its peak, within a factor of about 1.5.

    Weights, gradients and two moments in float32, one quantized copy of the weights, what the backward pass keeps of
    each block (about 16 residual widths and 6 hidden ones per token), and three float32 copies of the logits.
    """
    model = config.model
    tokens = config.batch.size * model.context
    return 20 * parameters + 4 * tokens * (model.layers * (16 * model.width + 6 * model.hidden) + 3 * vocab)

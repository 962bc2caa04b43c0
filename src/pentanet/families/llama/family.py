"""The record of Llama and its relatives: BitNet 2B4T, Qwen2, Qwen3, Mistral."""

from __future__ import annotations

from typing import TYPE_CHECKING

from pentanet.errors import ConfigError
from pentanet.families.decoder.blocks import decoder_blocks
from pentanet.families.decoder.family import native
from pentanet.families.decoder.rotation import PRE_NORM
from pentanet.families.decoder.shape import EMBEDDING, HEAD, BlockNames
from pentanet.families.decoder.tensors import tensors
from pentanet.families.family import Family
from pentanet.families.llama.checkpoints import CHECKPOINTS
from pentanet.families.llama.config import LlamaConfig
from pentanet.families.llama.gguf import GGUF
from pentanet.families.llama.hub import ARCHITECTURES

if TYPE_CHECKING:
    from pentanet.families.llama.network import Llama
    from pentanet.nn import WeightFactory


def _network(config: LlamaConfig, vocab: int, make: WeightFactory) -> Llama:
    from pentanet.families.llama.network import Llama

    return Llama(config, vocab, make)


def _check_training(config: LlamaConfig) -> None:
    for name, chosen in (("attention_bias", config.attention_bias != "none"), ("mlp_bias", config.mlp_bias)):
        if chosen:
            raise ConfigError(f"model.{name}: networks with biases are read, not trained; leave it out")


LLAMA = Family(
    name="llama",
    config=LlamaConfig,
    model_types=tuple(ARCHITECTURES),
    tensors=tensors,
    embedding=EMBEDDING,
    head=HEAD,
    network=_network,
    native=native,
    checkpoints=CHECKPOINTS,
    gguf=GGUF,
    blocks=decoder_blocks(BlockNames()),
    rotation=PRE_NORM,
    check_training=_check_training,
)

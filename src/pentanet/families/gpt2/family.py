"""The records of GPT-2 and of the publication's network."""

from __future__ import annotations

from typing import TYPE_CHECKING

from pentanet.families.family import Family
from pentanet.families.gpt2.blocks import BLOCKS
from pentanet.families.gpt2.checkpoints import CHECKPOINTS
from pentanet.families.gpt2.config import GPT2Config, GPTConfig
from pentanet.families.gpt2.tensors import EMBEDDING, HEAD, tensors

if TYPE_CHECKING:
    from pentanet._native import Model
    from pentanet.families.gpt2.network import GPT2Network
    from pentanet.families.native_parts import NativeParts
    from pentanet.nn import WeightFactory


def _network(config: GPTConfig | GPT2Config, vocab: int, make: WeightFactory) -> GPT2Network:
    from pentanet.families.gpt2.network import GPT2Network

    return GPT2Network(config, vocab, make)


def _native(parts: NativeParts, config: GPTConfig | GPT2Config) -> Model:
    from pentanet.families.gpt2.native import native_model

    return native_model(parts, config)


def _check_training(config: GPTConfig) -> None:
    del config  # all sizes are trained


GPT2 = Family(
    name="gpt2",
    config=GPT2Config,
    model_types=("gpt2",),
    tensors=tensors,
    embedding=EMBEDDING,
    head=HEAD,
    network=_network,
    native=_native,
    checkpoints=CHECKPOINTS,
    blocks=BLOCKS,
)
GPT = Family(
    name="gpt",
    config=GPTConfig,
    model_types=("pentanet-gpt",),
    tensors=tensors,
    embedding=EMBEDDING,
    head=HEAD,
    stores_head_again=True,
    network=_network,
    native=_native,
    check_training=_check_training,
)

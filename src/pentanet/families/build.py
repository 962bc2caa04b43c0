"""From a configuration to a network."""

from __future__ import annotations

from typing import overload

import torch

from pentanet.families import GPT2Config, GPTConfig, LlamaConfig, ModelConfig, TrainedConfig
from pentanet.families.gpt.network import GPT
from pentanet.families.gpt2.network import GPT2
from pentanet.families.llama.network import Llama
from pentanet.nn import WeightFactory

Network = Llama | GPT | GPT2


@overload
def build(
    config: TrainedConfig, vocab: int, make: WeightFactory, device: torch.device | str = "cpu"
) -> Llama | GPT: ...
@overload
def build(config: ModelConfig, vocab: int, make: WeightFactory, device: torch.device | str = "cpu") -> Network: ...
def build(config: ModelConfig, vocab: int, make: WeightFactory, device: torch.device | str = "cpu") -> Network:
    """A network with uninitialized weights on `device` ("meta" costs no memory)."""
    with torch.device(device):
        match config:
            case LlamaConfig():
                return Llama(config, vocab, make)
            case GPTConfig():
                return GPT(config, vocab, make)
            case GPT2Config():
                return GPT2(config, vocab, make)

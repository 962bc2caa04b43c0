"""From a configuration to a network, and from a config.json back to a configuration."""

from __future__ import annotations

from typing import Any, overload

import torch

from pentanet.errors import ConfigError
from pentanet.models.gpt import GPT, GPTConfig
from pentanet.models.gpt2 import GPT2, GPT2Config
from pentanet.models.llama import Llama
from pentanet.models.llama_config import ARCHITECTURES, LlamaConfig
from pentanet.nn import WeightFactory

TrainedConfig = LlamaConfig | GPTConfig
"""Of networks that are trained here."""
ModelConfig = TrainedConfig | GPT2Config
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


def config_from_hub(config: dict[str, Any]) -> ModelConfig:
    """Read the sizes of a network from a config.json.

    Raises:
        ConfigError: a model type that is not supported, or a key that is missing.
    """
    kind = config.get("model_type")
    if kind == "pentanet-gpt":
        return GPTConfig.from_hub_config(config)
    if kind in ARCHITECTURES:
        return LlamaConfig.from_hub_config(config)
    if kind == "gpt2":
        return GPT2Config.from_hub_config(config)
    known = ", ".join([*ARCHITECTURES, "gpt2", "pentanet-gpt"])
    raise ConfigError(f"config.json: model_type {kind!r} is not supported; known: {known}")

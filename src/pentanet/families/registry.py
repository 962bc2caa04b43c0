"""From a config.json to the configuration of a network."""

from __future__ import annotations

from typing import Any

from pentanet.errors import ConfigError
from pentanet.families.gpt.config import GPTConfig
from pentanet.families.gpt2.config import GPT2Config
from pentanet.families.llama.config import ARCHITECTURES, LlamaConfig

TrainedConfig = LlamaConfig | GPTConfig
"""Of networks that are trained here."""
ModelConfig = TrainedConfig | GPT2Config


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

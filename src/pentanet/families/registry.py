"""The network families by name, and from a config.json to the sizes of a network."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from pentanet.errors import ConfigError
from pentanet.families.family import Family, ModelConfig, TrainedConfig
from pentanet.families.gpt2.family import GPT, GPT2
from pentanet.families.llama.family import LLAMA

FAMILIES: dict[str, Family[Any]] = {family.name: family for family in (LLAMA, GPT2, GPT)}


def family_of(config: ModelConfig) -> Family[Any]:
    """The family that a network of these sizes belongs to.

    Raises:
        ConfigError: none of the registry.
    """
    for family in FAMILIES.values():
        if type(config) is family.config:
            return family
    raise ConfigError(f"{type(config).__name__}: of no network family; known: {', '.join(FAMILIES)}")


def family_of_type(kind: object) -> Family[Any] | None:
    """The family that config.json calls so, or None."""
    return next((family for family in FAMILIES.values() if kind in family.model_types), None)


def trained_configs() -> tuple[type[TrainedConfig], ...]:
    """The dataclasses that `model` of a training run may be; the first one is meant where no family is named."""
    return tuple(family.config for family in FAMILIES.values() if family.check_training is not None)


def config_from_hub(config: Mapping[str, Any]) -> ModelConfig:
    """Read the sizes of a network from a config.json.

    Raises:
        ConfigError: a model type that is not supported, or a key that is missing.
    """
    kind = config.get("model_type")
    if not isinstance(kind, str):
        raise ConfigError(f"config.json: model_type {kind!r:.80} is no name")
    family = family_of_type(kind)
    if family is not None:
        return family.config.from_hub_config(config)
    known = ", ".join(kind for family in FAMILIES.values() for kind in family.model_types)
    raise ConfigError(f"config.json: model_type {kind!r:.80} is not supported; known: {known}")

"""Sizes of GPT-2 and others of its shape: see `pentanet.families.gpt2.network`."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from pentanet.errors import ConfigError
from pentanet.families.hub_config import from_hub

_ACTIVATIONS = ("gelu_new", "gelu_pytorch_tanh")  # two names of one function
# Variants that transformers knows; a network without a key has the first value.
_FIXED = {"scale_attn_weights": True, "scale_attn_by_inverse_layer_idx": False, "add_cross_attention": False}


@dataclass(frozen=True, kw_only=True, slots=True)
class GPT2Config:
    """Sizes of the network."""

    layers: int
    width: int
    heads: int
    hidden: int
    context: int
    norm_eps: float
    tie: bool

    def __post_init__(self) -> None:
        for name in ("layers", "width", "heads", "hidden", "context"):
            if getattr(self, name) < 1:
                raise ConfigError(f"config.json: {name} {getattr(self, name)}: must be at least 1")
        if self.width % self.heads:
            raise ConfigError(f"config.json: n_embd {self.width} must be a multiple of n_head {self.heads}")
        if not self.norm_eps > 0:
            raise ConfigError(f"config.json: layer_norm_epsilon {self.norm_eps}: must be positive")

    @classmethod
    def from_hub_config(cls, config: Mapping[str, Any]) -> GPT2Config:
        """Read a config.json of transformers.

        Raises:
            ConfigError: a missing or wrong value, or something that this network does not have.
        """
        for key, value in _FIXED.items():
            if config.get(key, value) != value:
                raise ConfigError(f"config.json: {key} {config[key]!r:.40}: only {value} is supported")
        if config.get("activation_function", _ACTIVATIONS[0]) not in _ACTIVATIONS:
            raise ConfigError(f"config.json: activation_function must be one of {', '.join(_ACTIVATIONS)}")
        width, inner = config.get("n_embd"), config.get("n_inner")
        if inner is None and isinstance(width, int):
            inner = 4 * width
        return from_hub(cls, {**config, "n_inner": inner}, _HUB_KEYS)


_HUB_KEYS = {
    "layers": "n_layer",
    "width": "n_embd",
    "heads": "n_head",
    "hidden": "n_inner",
    "context": "n_positions",
    "norm_eps": "layer_norm_epsilon",
    "tie": "tie_word_embeddings",
}

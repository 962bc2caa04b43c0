"""Sizes of the networks of GPT-2's shape: see `pentanet.families.gpt2.network`."""

from __future__ import annotations

import math
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, ClassVar, Literal

from pentanet.errors import ConfigError
from pentanet.families.hub_config import from_hub

_ACTIVATIONS = ("gelu_new", "gelu_pytorch_tanh")  # two names of one function
# Variants that transformers knows; a network without a key has the first value.
_FIXED = {
    "scale_attn_weights": True,
    "scale_attn_by_inverse_layer_idx": False,
    "add_cross_attention": False,
    "is_causal": True,
}
_DEFAULTS = {"n_inner": None, "n_positions": 1024, "layer_norm_epsilon": 1e-5, "tie_word_embeddings": True}
ALIASES = {
    "hidden_size": "n_embd",
    "max_position_embeddings": "n_positions",
    "num_attention_heads": "n_head",
    "num_hidden_layers": "n_layer",
}
"""Names that all families of transformers share; they win over GPT-2's own."""


@dataclass(frozen=True, kw_only=True, slots=True)
class GPT2Config:
    """Sizes of GPT-2, DistilGPT-2 and others, to run what was trained elsewhere."""

    layers: int
    width: int
    heads: int
    hidden: int
    context: int
    norm_eps: float
    tie: bool

    dropout: ClassVar[float] = 0.0
    scaled_residual: ClassVar[bool] = True
    biases: ClassVar[bool] = True
    activation: ClassVar[Literal["gelu_tanh"]] = "gelu_tanh"

    def __post_init__(self) -> None:
        for name in ("layers", "width", "heads", "hidden", "context"):
            if getattr(self, name) < 1:
                raise ConfigError(f"config.json: {name} {getattr(self, name)}: must be at least 1")
        if self.width % self.heads:
            raise ConfigError(f"config.json: n_embd {self.width} must be a multiple of n_head {self.heads}")
        if not 0 < self.norm_eps < math.inf:
            raise ConfigError(f"config.json: layer_norm_epsilon {self.norm_eps}: must be positive and finite")

    @property
    def stores_head(self) -> bool:
        """Whether the file has a head; else it is the embedding."""
        return not self.tie

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
        names = {key: key for key in _HUB_KEYS.values()}
        names |= {own: alias for alias, own in ALIASES.items() if alias in config}
        keys: dict[str, Any] = {**_DEFAULTS, **config}
        width = keys.get(names["n_embd"])
        if keys["n_inner"] is None and isinstance(width, int):
            keys["n_inner"] = 4 * width
        return from_hub(cls, keys, {field: names[key] for field, key in _HUB_KEYS.items()})

    def hub_keys(self, kind: str) -> dict[str, Any]:
        """The sizes as a config.json of the model type `kind` has them."""
        return {key: getattr(self, field) for field, key in _HUB_KEYS.items()}


_HUB_KEYS = {
    "layers": "n_layer",
    "width": "n_embd",
    "heads": "n_head",
    "hidden": "n_inner",
    "context": "n_positions",
    "norm_eps": "layer_norm_epsilon",
    "tie": "tie_word_embeddings",
}


@dataclass(frozen=True, kw_only=True, slots=True)
class GPTConfig:
    """Sizes of the publication's network; the MLP is four times the width."""

    family: Literal["gpt"] = "gpt"
    layers: int = 12
    """Number of blocks."""
    width: int = 768
    """Residual width D."""
    heads: int = 12
    """Attention heads."""
    context: int = 512
    """Longest window in tokens, and number of learned positions."""
    dropout: float = 0.1
    """On the embedding, attention probabilities and both residual branches."""
    scaled_residual: bool = False
    """Start the projections into the residual smaller by sqrt(2 layers), as GPT-2 does and the publication does not."""

    norm_eps: ClassVar[float] = 1e-5
    biases: ClassVar[bool] = False
    activation: ClassVar[Literal["gelu"]] = "gelu"
    tie: ClassVar[bool] = True  # the head and the embedding share one latent weight
    stores_head: ClassVar[bool] = True  # the file has that weight twice: the look-up is latent, the head on the grid

    def __post_init__(self) -> None:
        for name in ("layers", "width", "heads", "context"):
            if getattr(self, name) < 1:
                raise ConfigError(f"model.{name} = {getattr(self, name)}: must be at least 1")
        if self.width % self.heads:
            raise ConfigError(f"model.width {self.width} must be a multiple of model.heads {self.heads}")
        if not 0 <= self.dropout < 1:
            raise ConfigError(f"model.dropout = {self.dropout}: must lie in [0, 1)")

    @property
    def hidden(self) -> int:
        """Inner width of the MLP."""
        return 4 * self.width

    def hub_config(self, vocab: int) -> dict[str, Any]:
        """The config.json; no architecture of transformers has this net, so the model type is our own."""
        return {
            "architectures": ["PentaNetGPT"],
            "model_type": "pentanet-gpt",
            "vocab_size": vocab,
            "n_layer": self.layers,
            "n_embd": self.width,
            "n_head": self.heads,
            "n_positions": self.context,
            "resid_pdrop": self.dropout,
            "tie_word_embeddings": False,  # stored twice: the look-up is latent, the head is on the grid
        }

    @classmethod
    def from_hub_config(cls, config: Mapping[str, Any]) -> GPTConfig:
        """The inverse of `hub_config`; a missing or wrong value is a ConfigError."""
        return from_hub(cls, config, _GPT_KEYS)


_GPT_KEYS = {
    "layers": "n_layer",
    "width": "n_embd",
    "heads": "n_head",
    "context": "n_positions",
    "dropout": "resid_pdrop",
}

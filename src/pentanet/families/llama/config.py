"""Sizes of a network of Llama's shape, and the config.json of the families that have it."""

from __future__ import annotations

import math
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any, Literal

from pentanet.errors import ConfigError
from pentanet.families.decoder.shape import Decoder, LayerAttention
from pentanet.families.hub_config import from_hub, require_table
from pentanet.families.llama.hub import (
    ARCHITECTURES,
    attention_bias_of,
    head_dim_of,
    mlp_bias_of,
    require_known,
    rope_of,
    window_keys,
    window_of,
    with_defaults,
)
from pentanet.families.rope import PlainRope, Rope, Rotary
from pentanet.families.rope_keys import rope_keys


@dataclass(frozen=True, kw_only=True, slots=True)
class LlamaConfig:
    """Sizes of the network."""

    family: Literal["llama"] = "llama"
    layers: int = 4
    """Number of blocks."""
    width: int = 128
    """Residual width D."""
    heads: int = 4
    """Query heads."""
    kv_heads: int = 4
    """Key and value heads; divides `heads`."""
    hidden: int = 352
    """Inner width of the gated MLP."""
    context: int = 256
    """Longest window in tokens."""
    activation: Literal["silu", "relu2"] = "silu"
    """Gate of the MLP: silu (SwiGLU) or relu squared."""
    sub_norms: bool = True
    """Norms before the output projections of attention and MLP."""
    norm_gains: bool = True
    """Learn the gains of the norms in the blocks; false leaves them at 1, like the norms inside of BitNet's linears."""
    head_dim: int = 0
    """Width of a head; 0 for `width` / `heads`."""
    qk_norm: bool = False
    """RMSNorm over each head of queries and keys, as in Qwen3."""
    attention_bias: Literal["none", "qkv", "all"] = "none"
    """Biases in attention: of queries, keys and values, as in Qwen2, or of the output projection too; only of networks
    that were trained elsewhere."""
    mlp_bias: bool = False
    """Biases in the MLP; only of networks that were trained elsewhere."""
    window: int = 0
    """Tokens that one sees, itself included (sliding window, as in Mistral); 0 for all before it."""
    tie: bool = False
    """Share the embedding and the head."""
    rope_theta: float = 10_000.0
    """Base of the rotary frequencies."""
    rope: Rope = field(default_factory=PlainRope)
    """How the rotary positions are stretched."""
    norm_eps: float = 1e-5
    """Added to the mean square in every RMSNorm."""
    init_std: float = 0.02
    """Standard deviation of the embedding and the head at the start."""
    init_gain: float = 1.0
    """Factor on the standard deviation 1 / sqrt(inputs) of the matrices of the blocks at the start."""

    def __post_init__(self) -> None:
        for name in ("layers", "width", "heads", "kv_heads", "hidden", "context"):
            if getattr(self, name) < 1:
                raise ConfigError(f"model.{name} = {getattr(self, name)}: must be at least 1")
        for name in ("rope_theta", "norm_eps", "init_std", "init_gain"):
            if not 0 < getattr(self, name) < math.inf:
                raise ConfigError(f"model.{name} = {getattr(self, name)}: must be positive and finite")
        for name in ("head_dim", "window"):
            if getattr(self, name) < 0:
                raise ConfigError(f"model.{name} = {getattr(self, name)}: must be 0 or more")
        if self.rope_theta <= 1:
            raise ConfigError(f"model.rope_theta = {self.rope_theta}: must be above 1")
        self._check_heads()
        self._check_family()

    def _check_family(self) -> None:
        chosen = {
            "sub_norms": self.sub_norms,
            "qk_norm": self.qk_norm,
            "attention_bias": self.attention_bias == "qkv",
            "window": self.window > 0,
            "mlp_bias": self.mlp_bias,
        }
        names = [name for name, value in chosen.items() if value]
        together = ({"qk_norm", "window"}, {"attention_bias", "window"})
        if len(names) > 1 and set(names) not in together:
            raise ConfigError(
                f"model.{names[1]} and model.{names[0]}: no network of transformers has both; switch one off"
            )
        if self.attention_bias == "all" and self.window and not self.qk_norm:
            raise ConfigError("model.attention_bias 'all' and model.window: no network of transformers has both")

    def _check_heads(self) -> None:
        if self.head_dim % 2:
            raise ConfigError(f"model.head_dim = {self.head_dim}: must be even")
        if not self.head_dim and (self.width % self.heads or (self.width // self.heads) % 2):
            raise ConfigError(
                f"model.width {self.width} must be an even multiple of model.heads {self.heads}, or set model.head_dim"
            )
        if self.heads % self.kv_heads:
            raise ConfigError(f"model.heads {self.heads} must be a multiple of model.kv_heads {self.kv_heads}")

    @property
    def head_width(self) -> int:
        """Width of a head."""
        return self.head_dim or self.width // self.heads

    @property
    def model_type(self) -> str:
        """Name of the family in transformers."""
        if self.sub_norms:
            return "bitnet"
        if self.qk_norm or self.attention_bias == "qkv":
            return "qwen3" if self.qk_norm else "qwen2"
        return "mistral" if self.window else "llama"

    @property
    def decoder(self) -> Decoder:
        """The network."""
        rotary = Rotary(width=self.head_width, theta=self.rope_theta, rope=self.rope)
        return Decoder(
            width=self.width,
            heads=self.heads,
            kv_heads=self.kv_heads,
            head_width=self.head_width,
            hidden=self.hidden,
            context=self.context,
            attention=(LayerAttention(window=self.window, rotary=rotary),) * self.layers,
            activation=self.activation,
            tie=self.tie,
            norm_eps=self.norm_eps,
            learned_gains=self.norm_gains,
            sub_norms=self.sub_norms,
            qk_norm="head" if self.qk_norm else "none",
            attention_bias=self.attention_bias,
            mlp_bias=self.mlp_bias,
        )

    def hub_config(self, vocab: int) -> dict[str, Any]:
        """The config.json that transformers reads."""
        return {
            "architectures": [ARCHITECTURES[self.model_type]],
            "model_type": self.model_type,
            "dtype": "float32",  # else transformers takes the type of the first tensor in the file
            "vocab_size": vocab,
            **self.hub_keys(self.model_type),
        }

    def hub_keys(self, kind: str) -> dict[str, Any]:
        """The sizes as a config.json of the model type `kind` has them."""
        return {
            "hidden_size": self.width,
            "intermediate_size": self.hidden,
            "num_hidden_layers": self.layers,
            "num_attention_heads": self.heads,
            "num_key_value_heads": self.kv_heads,
            "head_dim": self.head_width,
            "max_position_embeddings": self.context,
            "hidden_act": self.activation,
            "rms_norm_eps": self.norm_eps,
            **rope_keys(self.rope_theta, self.rope),
            **window_keys(kind, self.window, self.layers),
            "tie_word_embeddings": self.tie,
            "attention_bias": self.attention_bias == "all",
            **({"mlp_bias": True} if self.mlp_bias else {}),
            "initializer_range": self.init_std,
        }

    @classmethod
    def from_hub_config(cls, config: Mapping[str, Any]) -> LlamaConfig:
        """Read a config.json as transformers does: the inverse of `hub_config`.

        Raises:
            ConfigError: a missing or wrong value, or something that this network does not have.
        """
        require_known(config)
        keys = with_defaults(config)
        theta, rope = rope_of(keys)
        kind = keys["model_type"]
        found = from_hub(
            cls,
            keys,
            _HUB_KEYS,
            rope_theta=theta,
            rope=rope,
            sub_norms=kind == "bitnet",
            qk_norm=kind == "qwen3",
            attention_bias=attention_bias_of(keys),
            mlp_bias=mlp_bias_of(keys),
            window=window_of(keys),
            head_dim=head_dim_of(keys),
        )
        require_table(found.context, found.head_width)
        return found


_HUB_KEYS = {
    "layers": "num_hidden_layers",
    "width": "hidden_size",
    "heads": "num_attention_heads",
    "kv_heads": "num_key_value_heads",
    "hidden": "intermediate_size",
    "context": "max_position_embeddings",
    "activation": "hidden_act",
    "tie": "tie_word_embeddings",
    "norm_eps": "rms_norm_eps",
    "init_std": "initializer_range",
}

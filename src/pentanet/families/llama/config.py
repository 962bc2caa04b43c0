"""Sizes of a network of Llama's shape, and the config.json of the families that have it."""

from __future__ import annotations

import dataclasses
import math
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any, Literal, cast

from pentanet.config import convert
from pentanet.errors import ConfigError
from pentanet.families.hub_config import from_hub
from pentanet.families.rope import PlainRope, Rope

ARCHITECTURES = {
    "llama": "LlamaForCausalLM",
    "bitnet": "BitNetForCausalLM",
    "qwen2": "Qwen2ForCausalLM",
    "qwen3": "Qwen3ForCausalLM",
    "mistral": "MistralForCausalLM",
}
"""Of transformers, by model type."""


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
    qkv_bias: bool = False
    """Biases of queries, keys and values, as in Qwen2; only of networks that were trained elsewhere."""
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
        chosen = {"qk_norm": self.qk_norm, "qkv_bias": self.qkv_bias, "window": self.window}
        names = [f"model.{name}" for name, value in chosen.items() if value]
        if self.sub_norms and names:
            raise ConfigError(f"{names[0]} and model.sub_norms: no network of transformers has both; switch one off")
        if self.qk_norm and self.qkv_bias:
            raise ConfigError("model.qk_norm and model.qkv_bias: no network of transformers has both; switch one off")

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
        if self.qk_norm or self.qkv_bias:
            return "qwen3" if self.qk_norm else "qwen2"
        return "mistral" if self.window else "llama"

    def hub_config(self, vocab: int) -> dict[str, Any]:
        """The config.json that transformers reads."""
        return {
            "architectures": [ARCHITECTURES[self.model_type]],
            "model_type": self.model_type,
            "dtype": "float32",  # else transformers takes the type of the first tensor in the file
            "vocab_size": vocab,
            "hidden_size": self.width,
            "intermediate_size": self.hidden,
            "num_hidden_layers": self.layers,
            "num_attention_heads": self.heads,
            "num_key_value_heads": self.kv_heads,
            "head_dim": self.head_width,
            "max_position_embeddings": self.context,
            "hidden_act": self.activation,
            "rms_norm_eps": self.norm_eps,
            "rope_theta": self.rope_theta,
            **self._rope_keys(),
            **self._window_keys(),
            "tie_word_embeddings": self.tie,
            "attention_bias": False,
            "initializer_range": self.init_std,
        }

    def _rope_keys(self) -> dict[str, Any]:
        """The keys of transformers 4, which version 5 and other programs read too."""
        if isinstance(self.rope, PlainRope):
            return {}
        scaling = dataclasses.asdict(self.rope)
        if scaling.get("attention_factor") == 0:
            del scaling["attention_factor"]
        return {"rope_scaling": scaling}

    def _window_keys(self) -> dict[str, Any]:
        match self.model_type:
            case "mistral":
                return {"sliding_window": self.window}
            case "qwen2" | "qwen3":
                first = 0 if self.window else self.layers
                used = {"use_sliding_window": self.window > 0, "max_window_layers": first}
                return {**used, "sliding_window": self.window or None}
            case _:
                return {}

    @classmethod
    def from_hub_config(cls, config: Mapping[str, Any]) -> LlamaConfig:
        """The inverse of `hub_config`, which also reads what transformers 5 writes.

        Raises:
            ConfigError: a missing or wrong value, or something that this network does not have.
        """
        kind = config.get("model_type")
        for key in ("attention_bias", "mlp_bias"):
            if config.get(key):
                raise ConfigError(f"config.json: {key}: linears with biases are not supported")
        theta, rope = _read_rope(config)
        return from_hub(
            cls,
            {"rope_theta": theta} | dict(config) if theta is not None else config,
            _HUB_KEYS,
            rope=rope,
            sub_norms=kind == "bitnet",
            qk_norm=kind == "qwen3",
            qkv_bias=kind == "qwen2",
            window=_read_window(config),
            head_dim=_read_head_dim(config),
        )


def _read_rope(config: Mapping[str, Any]) -> tuple[object, Rope]:
    """Base (or None, where it stands on its own) and stretching: `rope_parameters`, or `rope_scaling` before it."""
    key = "rope_parameters" if config.get("rope_parameters") is not None else "rope_scaling"
    found = config.get(key)
    if found is None:
        return None, PlainRope()
    if not isinstance(found, Mapping):
        raise ConfigError(f"config.json: {key}: expected a table, got {found!r}")
    table = dict(cast("Mapping[str, Any]", found))
    theta = table.pop("rope_theta", None)
    if "type" in table:  # its first name
        table.setdefault("rope_type", table.pop("type"))
    return theta, convert(Rope, table, f"config.json: {key}")


def _read_window(config: Mapping[str, Any]) -> int:
    match config.get("model_type"):
        case "mistral":
            window = config.get("sliding_window")
        case "qwen2" | "qwen3":
            window = config.get("sliding_window") if config.get("use_sliding_window") else None
            if window is not None and config.get("max_window_layers", 0) != 0:
                raise ConfigError("config.json: max_window_layers: a window in some layers only is not supported")
        case _:
            return 0
    return 0 if window is None else convert(int, window, "config.json: sliding_window")


def _read_head_dim(config: Mapping[str, Any]) -> int:
    """0 where heads divide the width, so that one network has one configuration."""
    width, heads, head_dim = (config.get(key) for key in ("hidden_size", "num_attention_heads", "head_dim"))
    if head_dim is None:
        return 0
    head_dim = convert(int, head_dim, "config.json: head_dim")
    if isinstance(width, int) and isinstance(heads, int) and width == head_dim * heads:
        return 0
    return head_dim


_HUB_KEYS = {
    "layers": "num_hidden_layers",
    "width": "hidden_size",
    "heads": "num_attention_heads",
    "kv_heads": "num_key_value_heads",
    "hidden": "intermediate_size",
    "context": "max_position_embeddings",
    "activation": "hidden_act",
    "tie": "tie_word_embeddings",
    "rope_theta": "rope_theta",
    "norm_eps": "rms_norm_eps",
    "init_std": "initializer_range",
}

"""What a config.json of Llama's relatives means: defaults by family, and the keys whose meaning hangs on others.

All of it follows the configuration classes of transformers 5; what they can say and this network cannot do is refused
by its key.
"""

from __future__ import annotations

from collections.abc import Mapping
from types import MappingProxyType
from typing import Any, Literal, cast

from pentanet.config import convert
from pentanet.errors import ConfigError
from pentanet.families.rope import Rope
from pentanet.families.rope_keys import ROPE_KEYS, read_rope

ARCHITECTURES = {
    "llama": "LlamaForCausalLM",
    "bitnet": "BitNetForCausalLM",
    "qwen2": "Qwen2ForCausalLM",
    "qwen3": "Qwen3ForCausalLM",
    "mistral": "MistralForCausalLM",
}
"""Of transformers, by model type."""
_LLAMA: Mapping[str, Any] = MappingProxyType(
    {
        "hidden_act": "silu",
        "max_position_embeddings": 2048,
        "initializer_range": 0.02,
        "rms_norm_eps": 1e-6,
        "tie_word_embeddings": False,
    }
)
_WINDOW: Mapping[str, Any] = MappingProxyType({"sliding_window": 4096})
_QWEN: Mapping[str, Any] = MappingProxyType(
    {
        **_LLAMA,
        **_WINDOW,
        "max_position_embeddings": 32_768,
        "num_key_value_heads": 32,
        "use_sliding_window": False,
        "max_window_layers": 28,
    }
)
_DEFAULTS: Mapping[str, Mapping[str, Any]] = MappingProxyType(
    {
        "llama": _LLAMA,
        "bitnet": {**_LLAMA, "hidden_act": "relu2", "rms_norm_eps": 1e-5, "num_key_value_heads": 5},
        "mistral": {**_LLAMA, **_WINDOW, "max_position_embeddings": 131_072, "num_key_value_heads": 8},
        "qwen2": _QWEN,
        "qwen3": {**_QWEN, "head_dim": 128},
    }
)
_THETA: Mapping[str, float] = MappingProxyType({"bitnet": 500_000.0})
_FULL, _SLIDING = "full_attention", "sliding_attention"
WINDOW_KEYS = ("sliding_window", "use_sliding_window", "max_window_layers", "layer_types")
SUPERSEDED = (*ROPE_KEYS, *WINDOW_KEYS, "attention_bias", "mlp_bias", "is_causal", "per_layer_config")
"""Keys that are written anew, or not at all, once they have been understood."""


def with_defaults(config: Mapping[str, Any]) -> dict[str, Any]:
    """The keys of a config.json, and those that its family has a default for."""
    found = {**_DEFAULTS[config["model_type"]], **config}
    if found.get("num_key_value_heads") is None and "num_attention_heads" in found:
        found["num_key_value_heads"] = found["num_attention_heads"]
    if found["hidden_act"] == "swish":  # its older name
        found["hidden_act"] = "silu"
    return found


def require_known(config: Mapping[str, Any]) -> None:
    """Raise ConfigError for a variant that this network does not have."""
    if config.get("is_causal", True) is not True:
        raise ConfigError("config.json: is_causal: attention to tokens that come later is not supported")
    if config.get("per_layer_config"):
        raise ConfigError("config.json: per_layer_config: layers that differ from each other are not supported")


def rope_of(config: Mapping[str, Any]) -> tuple[float, Rope]:
    """Base and stretching of the rotary positions; `config` has its defaults.  Raises ConfigError."""
    return read_rope(config, _THETA.get(config["model_type"], 10_000.0))


def window_of(config: Mapping[str, Any]) -> int:
    """Tokens that one sees, 0 for all; `config` has its defaults.

    Raises:
        ConfigError: a wrong value, or a window in some layers only.
    """
    kind, window = config["model_type"], config.get("sliding_window")
    window = None if window is None else convert(int, window, "config.json: sliding_window")
    if kind in ("qwen2", "qwen3"):
        used = convert(bool, config["use_sliding_window"], "config.json: use_sliding_window")
        window = window if used else None
    elif kind != "mistral":
        window = None
    if window is not None and window < 1:
        raise ConfigError(f"config.json: sliding_window {window}: must be at least 1")
    return window or 0 if _slides(config, window) else 0


def _slides(config: Mapping[str, Any], window: int | None) -> bool:
    """Whether the layers have the window: as `layer_types` says, else as `max_window_layers` does."""
    layers, types = config.get("num_hidden_layers"), config.get("layer_types")
    if types is not None:
        if not isinstance(types, list) or not types or len(cast("list[object]", types)) != layers:
            raise ConfigError(f"config.json: layer_types: expected a list of {layers!r:.20} names, one for each layer")
        first = cast("list[object]", types)[0]
        if first not in (_FULL, _SLIDING) or any(name != first for name in cast("list[object]", types)):
            raise ConfigError("config.json: layer_types: layers that differ from each other are not supported")
        if first == _SLIDING and window is None:
            raise ConfigError(f"config.json: layer_types: {_SLIDING}, but the model has no sliding_window")
        return first == _SLIDING
    if window is None or config["model_type"] == "mistral":
        return window is not None
    last_full = convert(int, config["max_window_layers"], "config.json: max_window_layers")
    if isinstance(layers, int) and 0 < last_full < layers:
        raise ConfigError("config.json: max_window_layers: a window in some layers only is not supported")
    return last_full < 1


def window_keys(kind: str, window: int, layers: int) -> dict[str, Any]:
    """The inverse of `window_of`, for a network of `layers` layers."""
    match kind:
        case "mistral":
            return {"sliding_window": window or None}
        case "qwen2" | "qwen3":
            first = 0 if window else layers
            used = {"use_sliding_window": window > 0, "max_window_layers": first}
            return {**used, "sliding_window": window or None}
        case _:
            return {}


def attention_bias_of(config: Mapping[str, Any]) -> Literal["none", "qkv", "all"]:
    """Which linears of attention have biases; `config` has its defaults.  Raises ConfigError."""
    kind = config["model_type"]
    if kind in ("llama", "qwen3", "bitnet"):
        return "all" if _flag(config, "attention_bias") else "none"
    return "qkv" if kind == "qwen2" else "none"  # whatever the key says, which those classes do not have


def mlp_bias_of(config: Mapping[str, Any]) -> bool:
    """Whether the linears of the MLP have biases; of Llama alone.  Raises ConfigError."""
    return config["model_type"] == "llama" and _flag(config, "mlp_bias")


def _flag(config: Mapping[str, Any], key: str) -> bool:
    return convert(bool, config.get(key, False), f"config.json: {key}")


def head_dim_of(config: Mapping[str, Any]) -> int:
    """Width of a head, 0 where heads divide the width, so that one network has one configuration."""
    width, heads, head_dim = (config.get(key) for key in ("hidden_size", "num_attention_heads", "head_dim"))
    if head_dim is None:
        return 0
    head_dim = convert(int, head_dim, "config.json: head_dim")
    if isinstance(width, int) and isinstance(heads, int) and width == head_dim * heads:
        return 0
    return head_dim

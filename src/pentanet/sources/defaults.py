"""Which pretrained networks are read, and what their config.json leaves unsaid."""

from __future__ import annotations

import re
from collections.abc import Mapping
from types import MappingProxyType
from typing import Any

from pentanet.errors import UnsupportedArchitectureError

_LLAMA: Mapping[str, Any] = MappingProxyType(
    {
        "hidden_act": "silu",
        "max_position_embeddings": 2048,
        "initializer_range": 0.02,
        "rms_norm_eps": 1e-6,
        "rope_theta": 10_000.0,
        "tie_word_embeddings": False,
    }
)
_QWEN: Mapping[str, Any] = MappingProxyType({**_LLAMA, "max_position_embeddings": 32_768, "num_key_value_heads": 32})
_GPT2: Mapping[str, Any] = MappingProxyType({"n_inner": None, "layer_norm_epsilon": 1e-5, "tie_word_embeddings": True})
_DEFAULTS: Mapping[str, Mapping[str, Any]] = MappingProxyType(
    {
        "llama": _LLAMA,
        "mistral": {**_LLAMA, "max_position_embeddings": 131_072, "sliding_window": 4096, "num_key_value_heads": 8},
        "qwen2": _QWEN,
        "qwen3": {**_QWEN, "head_dim": 128},
        "gpt2": _GPT2,
    }
)
"""Of transformers' configuration classes: what a key means that is not there."""

SUPPORTED = tuple(_DEFAULTS)
# Constants that older releases of transformers stored among the weights.
_CONSTANTS = re.compile(r"\.rotary_emb\.inv_freq$|\.attn\.(masked_)?bias$")
_CONV1D = re.compile(r"\.(c_attn|c_proj|c_fc)\.weight$")


def complete(config: Mapping[str, Any], where: str) -> dict[str, Any]:
    """A config.json with every key that its family has a default for, and without a quantization.

    Raises:
        UnsupportedArchitectureError: not one of `SUPPORTED`, or quantized already.
    """
    kind = str(config.get("model_type"))
    if kind not in _DEFAULTS:
        raise UnsupportedArchitectureError(
            f"{where}: model_type '{kind:.40}' is not supported. Supported: {', '.join(SUPPORTED)} "
            "(SmolLM2, Llama 1 to 3 and others have model_type llama, Qwen2.5 has qwen2)."
        )
    if config.get("quantization_config") is not None:
        raise UnsupportedArchitectureError(
            f"{where}: it is quantized already (quantization_config in config.json). Start from the original weights."
        )
    heads = {"num_key_value_heads": config["num_attention_heads"]} if "num_attention_heads" in config else {}
    given = {key: value for key, value in config.items() if key not in ("quantization_config", "_name_or_path")}
    if kind == "llama" and given.get("num_key_value_heads", 0) is None:
        del given["num_key_value_heads"]
    defaults = dict(_DEFAULTS[kind])
    rope = config.get("rope_parameters")
    if isinstance(rope, Mapping) and "rope_theta" in rope:  # as transformers 5 writes it
        del defaults["rope_theta"]
    return {**heads, **defaults, **given}


def full_name(name: str, kind: str) -> str:
    """A tensor's name in the network: the first files of GPT-2 leave the name of the trunk out."""
    short = kind == "gpt2" and not name.startswith(("transformer.", "lm_head."))
    return f"transformer.{name}" if short else name


def transposed(name: str, kind: str) -> bool:
    """Whether a file has a matrix as [inputs, outputs]: GPT-2's `Conv1D`."""
    return kind == "gpt2" and _CONV1D.search(name) is not None


def harmless(name: str, config: Mapping[str, Any]) -> bool:
    """Whether a tensor that the network does not need may be there: constants, and a copy of a tied head."""
    return bool(_CONSTANTS.search(name)) or (name == "lm_head.weight" and bool(config.get("tie_word_embeddings")))

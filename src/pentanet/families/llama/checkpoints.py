"""Pretrained models of Llama's shape on Hugging Face."""

from __future__ import annotations

import re
from collections.abc import Mapping
from types import MappingProxyType
from typing import Any

from pentanet.families.checkpoints import Checkpoints

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
_DEFAULTS: Mapping[str, Mapping[str, Any]] = MappingProxyType(
    {
        "llama": _LLAMA,
        "mistral": {**_LLAMA, "max_position_embeddings": 131_072, "sliding_window": 4096, "num_key_value_heads": 8},
        "qwen2": _QWEN,
        "qwen3": {**_QWEN, "head_dim": 128},
    }
)
"""Of transformers' configuration classes: what a key means that is not there."""


def _complete(config: Mapping[str, Any]) -> dict[str, Any]:
    kind, given = config["model_type"], dict(config)
    heads = {"num_key_value_heads": config["num_attention_heads"]} if "num_attention_heads" in config else {}
    if kind == "llama" and given.get("num_key_value_heads", 0) is None:
        del given["num_key_value_heads"]
    defaults = dict(_DEFAULTS[kind])
    rope = config.get("rope_parameters")
    if isinstance(rope, Mapping) and "rope_theta" in rope:  # as transformers 5 writes it
        del defaults["rope_theta"]
    return {**heads, **defaults, **given}


CHECKPOINTS = Checkpoints(
    model_types=tuple(_DEFAULTS), complete=_complete, constants=re.compile(r"\.rotary_emb\.inv_freq$")
)

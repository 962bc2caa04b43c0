"""The modules that a rotation turns in a decoder whose norms all stand before what reads them, as Llama's do."""

from __future__ import annotations

from types import MappingProxyType
from typing import Any

from pentanet.families.decoder.shape import LAST_NORM, DecoderConfig
from pentanet.families.rotation import Rotation


def _head_width(config: DecoderConfig) -> int:
    return config.decoder.head_width


PRE_NORM: Rotation[Any] = Rotation(
    head_width=_head_width,
    last_norm=LAST_NORM,
    norms=("input_layernorm", "post_attention_layernorm", "norm"),
    norm_before=MappingProxyType(
        {
            **dict.fromkeys(("q_proj", "k_proj", "v_proj"), "input_layernorm"),
            **dict.fromkeys(("gate_proj", "up_proj"), "post_attention_layernorm"),
        }
    ),
    added=("o_proj", "down_proj"),
    values="v_proj",
    mixes_values="o_proj",
)

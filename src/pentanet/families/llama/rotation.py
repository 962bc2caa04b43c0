"""The modules of Llama's shape that a rotation turns."""

from __future__ import annotations

from types import MappingProxyType

from pentanet.families.llama.config import LlamaConfig
from pentanet.families.rotation import Rotation


def _head_width(config: LlamaConfig) -> int:
    return config.head_width


ROTATION = Rotation(
    head_width=_head_width,
    last_norm="model.norm",
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

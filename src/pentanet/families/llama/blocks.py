"""The blocks of a network of Llama's shape, for calibration."""

from __future__ import annotations

from typing import TYPE_CHECKING

from pentanet.families.blocks import Blocks
from pentanet.families.llama.config import LlamaConfig

if TYPE_CHECKING:
    from torch import Tensor, nn

    from pentanet.nn import WeightFactory


def _empty(config: LlamaConfig, make: WeightFactory) -> nn.Module:
    from pentanet.families.llama.network import Block

    return Block(config, make)


def _beside(config: LlamaConfig, tokens: int) -> tuple[Tensor | None, ...]:
    import torch

    from pentanet.families.llama.network import window_mask
    from pentanet.families.rotary import rotary_tensors

    cos, sin = rotary_tensors(config, tokens)
    seen = 0 < config.window < tokens
    mask = window_mask(tokens, config.window, torch.device("cpu")) if seen else None
    return cos, sin, mask


BLOCKS = Blocks(
    trunk="model.layers",
    stages=(
        ("self_attn.q_proj", "self_attn.k_proj", "self_attn.v_proj"),
        ("self_attn.o_proj",),
        ("mlp.gate_proj", "mlp.up_proj"),
        ("mlp.down_proj",),
    ),
    parts=(("input_layernorm", "self_attn"), ("post_attention_layernorm", "mlp")),
    empty=_empty,
    beside=_beside,
)

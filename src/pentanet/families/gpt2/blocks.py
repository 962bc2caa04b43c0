"""The blocks of a network of GPT-2's shape, for calibration."""

from __future__ import annotations

from typing import TYPE_CHECKING

from pentanet.families.blocks import Blocks
from pentanet.families.gpt2.config import GPT2Config
from pentanet.families.gpt2.tensors import POSITIONS

if TYPE_CHECKING:
    from torch import Tensor, nn

    from pentanet.nn import WeightFactory


def _empty(config: GPT2Config, make: WeightFactory) -> nn.Module:
    from pentanet.families.gpt2.network import Block

    return Block(config, make)


def _beside(config: GPT2Config, tokens: int, layer: int) -> tuple[Tensor | None, ...]:
    del config, tokens, layer
    return ()


def _scales(config: GPT2Config) -> tuple[float, float]:
    del config
    return 1.0, 1.0


BLOCKS = Blocks(
    trunk="transformer.h",
    stages=(("attn.c_attn",), ("attn.c_proj",), ("mlp.c_fc",), ("mlp.c_proj",)),
    parts=(("ln_1", "attn", ""), ("ln_2", "mlp", "")),
    empty=_empty,
    beside=_beside,
    scales=_scales,
    positions=POSITIONS,
)

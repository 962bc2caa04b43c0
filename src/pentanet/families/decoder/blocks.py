"""The blocks of a decoder network, for calibration."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from pentanet.families.blocks import Blocks
from pentanet.families.decoder.shape import TRUNK, BlockNames, DecoderConfig

if TYPE_CHECKING:
    from torch import Tensor, nn

    from pentanet.nn import WeightFactory


def decoder_blocks(names: BlockNames) -> Blocks[Any]:
    """What calibration has to know of blocks with these names."""
    return Blocks(
        trunk=TRUNK,
        stages=(
            tuple(f"self_attn.{name}" for name in names.into_attention),
            ("self_attn.o_proj",),
            tuple(f"mlp.{name}" for name in names.into_mlp),
            ("mlp.down_proj",),
        ),
        parts=(
            (names.before_attention, "self_attn", names.after_attention),
            (names.before_mlp, "mlp", names.after_mlp),
        ),
        empty=_empty,
        beside=_beside,
        scales=_scales,
    )


def _empty(config: DecoderConfig, make: WeightFactory) -> nn.Module:
    from pentanet.families.decoder.network import Block

    return Block(config.decoder, make)


def _beside(config: DecoderConfig, tokens: int, layer: int) -> tuple[Tensor | None, ...]:
    import torch

    from pentanet.families.decoder.network import window_mask
    from pentanet.families.rotary import rotary_tensors

    kind = config.decoder.attention[layer]
    cos, sin = (None, None) if kind.rotary is None else rotary_tensors(kind.rotary, tokens)
    seen = 0 < kind.window < tokens
    return cos, sin, window_mask(tokens, kind.window, torch.device("cpu")) if seen else None


def _scales(config: DecoderConfig) -> tuple[float, float]:
    return config.decoder.embedding_scale, config.decoder.residual_scale

"""Llama's shape, and its relatives: with `sub_norms` BitNet 2B4T's, the default; with `qk_norm` Qwen3's; with
`attention_bias` "qkv" Qwen2's; with a `window` Mistral's.

Parameter names and config keys are those of Hugging Face, so that a trained model travels: RMSNorm with gain, rotary
positions, grouped queries, a gated MLP.  With `sub_norms` there is a norm before every quantized linear: the
two extra ones stand before the output projections of attention and MLP.
"""

from __future__ import annotations

import torch

from pentanet.families.decoder.network import DecoderNetwork
from pentanet.families.decoder.shape import EMBEDDING, HEAD
from pentanet.families.llama.config import LlamaConfig
from pentanet.nn import draw_low_rank, quantized_modules


class Llama(DecoderNetwork[LlamaConfig]):
    """ids [B, T] -> logits [B, T, vocab]."""

    def initialize(self, generator: torch.Generator) -> None:
        """Draw the weights: N(0, gain^2 / inputs) in the blocks, those into the residual smaller by sqrt(2 layers).

        With quantized weights this is what keeps the residual from growing with depth: the scale rule makes the
        forward pass as large as the latent weight.
        """
        config = self.config
        for name, module in quantized_modules(self):
            std = config.init_gain * module.weight.shape[1] ** -0.5
            if name in (EMBEDDING, HEAD):
                std = config.init_std
            elif name.endswith(("o_proj", "down_proj")):
                std *= (2 * config.layers) ** -0.5
            if not (config.tie and name == HEAD):
                module.draw(std, generator)
            module.quantizer.initialize(module.weight)
        draw_low_rank(self, generator)

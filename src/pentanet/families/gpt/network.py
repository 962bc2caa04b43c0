"""The publication's network: GPT-2's shape without biases, kept exactly so that its numbers can be checked.

Source: train_pentagpt.py of Kyworn/PentaNet-v1.0 (class GPT with size "large" or "xlarge", block size 512).  What
differs from GPT-2: every linear is quantized, the head too; the embedding looks up the latent weight of the head;
positions start at N(0,1), 28 times the size of the token embedding; no scaling of the residual projections.
"""

from __future__ import annotations

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from pentanet.families import GPTConfig
from pentanet.nn import WeightFactory, draw_low_rank, quantized_modules


class Attention(nn.Module):
    """Causal multi-head attention with one fused projection for queries, keys and values."""

    def __init__(self, config: GPTConfig, make: WeightFactory) -> None:
        super().__init__()
        self.heads, self.dropout = config.heads, config.dropout
        self.c_attn = make.linear(config.width, 3 * config.width)
        self.c_proj = make.linear(config.width, config.width)

    def forward(self, x_BTD: Tensor) -> Tensor:
        B, T, D = x_BTD.shape
        q, k, v = (
            part.view(B, T, self.heads, D // self.heads).transpose(1, 2) for part in self.c_attn(x_BTD).chunk(3, -1)
        )
        dropout = self.dropout if self.training else 0.0
        y = F.scaled_dot_product_attention(q, k, v, is_causal=True, dropout_p=dropout)
        return F.dropout(self.c_proj(y.transpose(1, 2).reshape(B, T, D)), self.dropout, self.training)


class MLP(nn.Module):
    """c_proj(gelu(c_fc(x))) with the exact GELU."""

    def __init__(self, config: GPTConfig, make: WeightFactory) -> None:
        super().__init__()
        self.dropout = config.dropout
        self.c_fc = make.linear(config.width, 4 * config.width)
        self.c_proj = make.linear(4 * config.width, config.width)

    def forward(self, x_BTD: Tensor) -> Tensor:
        return F.dropout(self.c_proj(F.gelu(self.c_fc(x_BTD))), self.dropout, self.training)


class Block(nn.Module):
    """Pre-norm block."""

    def __init__(self, config: GPTConfig, make: WeightFactory) -> None:
        super().__init__()
        self.ln_1 = nn.LayerNorm(config.width, bias=False)
        self.attn = Attention(config, make)
        self.ln_2 = nn.LayerNorm(config.width, bias=False)
        self.mlp = MLP(config, make)

    def forward(self, x_BTD: Tensor) -> Tensor:
        x_BTD = x_BTD + self.attn(self.ln_1(x_BTD))
        return x_BTD + self.mlp(self.ln_2(x_BTD))


class Trunk(nn.Module):
    """Embeddings, blocks and the last norm: what Hugging Face calls `transformer`."""

    def __init__(self, config: GPTConfig, vocab: int, make: WeightFactory) -> None:
        super().__init__()
        self.dropout = config.dropout
        self.wte = make.embedding(vocab, config.width)
        # nn.Embedding draws a weight: on the meta device that would import torch's compiler, which takes seconds.
        weight = torch.empty(config.context, config.width)
        self.wpe = nn.Embedding(config.context, config.width, _weight=weight if weight.is_meta else None)
        self.h = nn.ModuleList(Block(config, make) for _ in range(config.layers))
        self.ln_f = nn.LayerNorm(config.width, bias=False)

    def forward(self, ids_BT: Tensor) -> Tensor:
        positions = torch.arange(ids_BT.shape[1], device=ids_BT.device)
        x = F.dropout(self.wte(ids_BT) + self.wpe(positions), self.dropout, self.training)
        for block in self.h:
            x = block(x)
        return self.ln_f(x)


class GPT(nn.Module):
    """ids [B, T] -> logits [B, T, vocab]."""

    def __init__(self, config: GPTConfig, vocab: int, make: WeightFactory) -> None:
        super().__init__()
        self.config, self.vocab = config, vocab
        self.transformer = Trunk(config, vocab, make)
        self.lm_head = make.head(config.width, vocab, self.transformer.wte)

    @property
    def embedding_name(self) -> str:
        """Name of the embedding."""
        return "transformer.wte"

    @property
    def stores_head_once(self) -> bool:
        """False: the look-up is latent and the head on the grid, two tensors in the packed file."""
        return False

    def forward(self, ids_BT: Tensor) -> Tensor:
        return self.lm_head(self.transformer(ids_BT))

    def initialize(self, generator: torch.Generator) -> None:
        """Draw the weights: N(0, 1/inputs) in every linear (see `scaled_residual`), N(0,1) for the positions."""
        with torch.no_grad():
            self.transformer.wpe.weight.normal_(generator=generator)
        for name, module in quantized_modules(self):
            if name != "lm_head":  # shares the latent of wte, whose width is the head's number of inputs
                std = module.weight.shape[1] ** -0.5
                if self.config.scaled_residual and name.endswith("c_proj"):
                    std *= (2 * self.config.layers) ** -0.5
                module.draw(std, generator)
            module.quantizer.initialize(module.weight)
        draw_low_rank(self, generator)

"""Networks of GPT-2's shape: GPT-2 itself as it was published, and the network of the PentaNet publication.

The publication's is kept exactly, so that its numbers can be checked.  Source: train_pentagpt.py of
Kyworn/PentaNet-v1.0 (class GPT with size "large" or "xlarge", block size 512).  What differs from GPT-2: no biases;
the exact GELU; every linear is quantized, the head too; the embedding looks up the latent weight of the head;
positions start at N(0,1), 28 times the size of the token embedding; no scaling of the residual projections.

Parameter names are those of Hugging Face.  Legend of shape suffixes: B batch, T tokens, D width.
"""

from __future__ import annotations

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from pentanet.families.gpt2.config import GPT2Config, GPTConfig
from pentanet.families.gpt2.tensors import HEAD
from pentanet.families.network import FamilyNetwork
from pentanet.nn import WeightFactory, draw_low_rank, quantized_modules

Sizes = GPTConfig | GPT2Config


class LayerNorm(nn.Module):
    """(x - mean) / deviation * weight + bias, over the last dimension; the bias where the network has biases."""

    bias: nn.Parameter | None

    def __init__(self, config: Sizes) -> None:
        super().__init__()
        self.weight, self.eps = nn.Parameter(torch.ones(config.width)), config.norm_eps
        self.register_parameter("bias", nn.Parameter(torch.zeros(config.width)) if config.biases else None)

    def forward(self, x: Tensor) -> Tensor:
        return F.layer_norm(x, self.weight.shape, self.weight, self.bias, self.eps)


class Attention(nn.Module):
    """Causal multi-head attention with one fused projection for queries, keys and values."""

    def __init__(self, config: Sizes, make: WeightFactory) -> None:
        super().__init__()
        self.heads, self.dropout = config.heads, config.dropout
        self.c_attn = make.linear(config.width, 3 * config.width, bias=config.biases)
        self.c_proj = make.linear(config.width, config.width, bias=config.biases)

    def forward(self, x_BTD: Tensor) -> Tensor:
        B, T, D = x_BTD.shape
        parts = self.c_attn(x_BTD).chunk(3, -1)
        q, k, v = (part.view(B, T, self.heads, D // self.heads).transpose(1, 2) for part in parts)
        dropout = self.dropout if self.training else 0.0
        y = F.scaled_dot_product_attention(q, k, v, is_causal=True, dropout_p=dropout)
        return F.dropout(self.c_proj(y.transpose(1, 2).reshape(B, T, D)), self.dropout, self.training)


class MLP(nn.Module):
    """c_proj(gelu(c_fc(x))), with the exact GELU or its tanh form."""

    def __init__(self, config: Sizes, make: WeightFactory) -> None:
        super().__init__()
        self.dropout, self.form = config.dropout, "tanh" if config.activation == "gelu_tanh" else "none"
        self.c_fc = make.linear(config.width, config.hidden, bias=config.biases)
        self.c_proj = make.linear(config.hidden, config.width, bias=config.biases)

    def forward(self, x_BTD: Tensor) -> Tensor:
        return F.dropout(self.c_proj(F.gelu(self.c_fc(x_BTD), approximate=self.form)), self.dropout, self.training)


class Block(nn.Module):
    """Pre-norm block."""

    def __init__(self, config: Sizes, make: WeightFactory) -> None:
        super().__init__()
        self.ln_1 = LayerNorm(config)
        self.attn = Attention(config, make)
        self.ln_2 = LayerNorm(config)
        self.mlp = MLP(config, make)

    def forward(self, x_BTD: Tensor) -> Tensor:
        x_BTD = x_BTD + self.attn(self.ln_1(x_BTD))
        return x_BTD + self.mlp(self.ln_2(x_BTD))


class Trunk(nn.Module):
    """Embeddings, blocks and the last norm: what Hugging Face calls `transformer`."""

    def __init__(self, config: Sizes, vocab: int, make: WeightFactory) -> None:
        super().__init__()
        self.dropout = config.dropout
        self.wte = make.embedding(vocab, config.width)
        # nn.Embedding draws a weight: on the meta device that would import torch's compiler, which takes seconds.
        weight = torch.empty(config.context, config.width)
        self.wpe = nn.Embedding(config.context, config.width, _weight=weight if weight.is_meta else None)
        self.h = nn.ModuleList(Block(config, make) for _ in range(config.layers))
        self.ln_f = LayerNorm(config)

    def forward(self, ids_BT: Tensor) -> Tensor:
        positions = torch.arange(ids_BT.shape[1], device=ids_BT.device)
        x = F.dropout(self.wte(ids_BT) + self.wpe(positions), self.dropout, self.training)
        for block in self.h:
            x = block(x)
        return self.ln_f(x)


class GPT2Network(FamilyNetwork[Sizes]):
    """ids [B, T] -> logits [B, T, vocab]."""

    def __init__(self, config: Sizes, vocab: int, make: WeightFactory) -> None:
        super().__init__(config, vocab)
        self.transformer = Trunk(config, vocab, make)
        self.lm_head = make.head(config.width, vocab, self.transformer.wte if config.tie else None)

    def forward(self, ids_BT: Tensor) -> Tensor:
        return self.lm_head(self.transformer(ids_BT))

    def initialize(self, generator: torch.Generator) -> None:
        """Draw the weights: N(0, 1/inputs) in every linear (see `scaled_residual`), N(0,1) for the positions."""
        config = self.config
        with torch.no_grad():
            self.transformer.wpe.weight.normal_(generator=generator)
        for name, module in quantized_modules(self):
            if not (
                config.tie and name == HEAD
            ):  # shares the latent of wte, whose width is the head's number of inputs
                std = module.weight.shape[1] ** -0.5
                if config.scaled_residual and name.endswith("c_proj"):
                    std *= (2 * config.layers) ** -0.5
                module.draw(std, generator)
            module.quantizer.initialize(module.weight)
        draw_low_rank(self, generator)

"""GPT-2 as it was published (and DistilGPT-2 and others of its shape), to run what was trained elsewhere.

Parameter names are those of Hugging Face.  The publication's network, which is trained here, is
`pentanet.families.gpt.network`: without biases, with the exact GELU and a quantized head.
"""

from __future__ import annotations

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from pentanet.families import GPT2Config
from pentanet.nn import WeightFactory


class LayerNorm(nn.Module):
    """(x - mean) / deviation * weight + bias, over the last dimension."""

    def __init__(self, width: int, eps: float) -> None:
        super().__init__()
        self.weight, self.bias, self.eps = nn.Parameter(torch.ones(width)), nn.Parameter(torch.zeros(width)), eps

    def forward(self, x: Tensor) -> Tensor:
        return F.layer_norm(x, self.weight.shape, self.weight, self.bias, self.eps)


class Attention(nn.Module):
    """Causal multi-head attention with one fused projection for queries, keys and values."""

    def __init__(self, config: GPT2Config, make: WeightFactory) -> None:
        super().__init__()
        self.heads = config.heads
        self.c_attn = make.linear(config.width, 3 * config.width, bias=True)
        self.c_proj = make.linear(config.width, config.width, bias=True)

    def forward(self, x_BTD: Tensor) -> Tensor:
        B, T, D = x_BTD.shape
        parts = self.c_attn(x_BTD).chunk(3, -1)
        q, k, v = (part.view(B, T, self.heads, D // self.heads).transpose(1, 2) for part in parts)
        y = F.scaled_dot_product_attention(q, k, v, is_causal=True)
        return self.c_proj(y.transpose(1, 2).reshape(B, T, D))


class MLP(nn.Module):
    """c_proj(gelu(c_fc(x))), with the tanh form of GELU."""

    def __init__(self, config: GPT2Config, make: WeightFactory) -> None:
        super().__init__()
        self.c_fc = make.linear(config.width, config.hidden, bias=True)
        self.c_proj = make.linear(config.hidden, config.width, bias=True)

    def forward(self, x_BTD: Tensor) -> Tensor:
        return self.c_proj(F.gelu(self.c_fc(x_BTD), approximate="tanh"))


class Block(nn.Module):
    """Pre-norm block."""

    def __init__(self, config: GPT2Config, make: WeightFactory) -> None:
        super().__init__()
        self.ln_1 = LayerNorm(config.width, config.norm_eps)
        self.attn = Attention(config, make)
        self.ln_2 = LayerNorm(config.width, config.norm_eps)
        self.mlp = MLP(config, make)

    def forward(self, x_BTD: Tensor) -> Tensor:
        x_BTD = x_BTD + self.attn(self.ln_1(x_BTD))
        return x_BTD + self.mlp(self.ln_2(x_BTD))


class Positions(nn.Module):
    """Learned [context, D]; the first rows are those of the first tokens."""

    def __init__(self, config: GPT2Config) -> None:
        super().__init__()
        self.weight = nn.Parameter(torch.empty(config.context, config.width))

    def forward(self, tokens: int) -> Tensor:
        return self.weight[:tokens]


class Trunk(nn.Module):
    """Embeddings, blocks and the last norm: what Hugging Face calls `transformer`."""

    def __init__(self, config: GPT2Config, vocab: int, make: WeightFactory) -> None:
        super().__init__()
        self.wte = make.embedding(vocab, config.width)
        self.wpe = Positions(config)
        self.h = nn.ModuleList(Block(config, make) for _ in range(config.layers))
        self.ln_f = LayerNorm(config.width, config.norm_eps)

    def forward(self, ids_BT: Tensor) -> Tensor:
        x = self.wte(ids_BT) + self.wpe(ids_BT.shape[1])
        for block in self.h:
            x = block(x)
        return self.ln_f(x)


class GPT2(nn.Module):
    """ids [B, T] -> logits [B, T, vocab]."""

    def __init__(self, config: GPT2Config, vocab: int, make: WeightFactory) -> None:
        super().__init__()
        self.config, self.vocab = config, vocab
        self.transformer = Trunk(config, vocab, make)
        self.lm_head = make.head(config.width, vocab, self.transformer.wte if config.tie else None)

    @property
    def embedding_name(self) -> str:
        """Name of the embedding."""
        return "transformer.wte"

    @property
    def stores_head_once(self) -> bool:
        """The packed file has no head of its own: it is the embedding."""
        return self.config.tie

    def forward(self, ids_BT: Tensor) -> Tensor:
        return self.lm_head(self.transformer(ids_BT))

"""Llama's shape, and its relatives: with `sub_norms` BitNet 2B4T's, the default; with `qk_norm` Qwen3's; with
`attention_bias` "qkv" Qwen2's; with a `window` Mistral's.

Parameter names and config keys are those of Hugging Face, so that a trained model travels: RMSNorm with gain, rotary
positions, grouped queries, a gated MLP.  With `sub_norms` there is a norm before every quantized linear: the
two extra ones stand before the output projections of attention and MLP.

Legend of shape suffixes: B batch, T tokens, D width, H heads, K key-value heads, E head width.
"""

from __future__ import annotations

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from pentanet.families.llama.config import LlamaConfig
from pentanet.families.llama.tensors import EMBEDDING, HEAD
from pentanet.families.network import FamilyNetwork
from pentanet.families.rotary import rotary_tensors, rotate
from pentanet.nn import WeightFactory, draw_low_rank, quantized_modules, together


class RMSNorm(nn.Module):
    """x / rms(x) * gain over the last dimension, in float32; the gain is stored even if it is not `learned`."""

    def __init__(self, width: int, eps: float, *, learned: bool = True) -> None:
        super().__init__()
        self.weight = nn.Parameter(torch.ones(width), requires_grad=learned)
        self.eps = eps

    def forward(self, x: Tensor) -> Tensor:
        return F.rms_norm(x, self.weight.shape, self.weight.to(x.dtype), self.eps)


def block_norm(config: LlamaConfig, width: int) -> RMSNorm:
    """A norm before linears of a block."""
    return RMSNorm(width, config.norm_eps, learned=config.norm_gains)


def window_mask(tokens: int, window: int, device: torch.device) -> Tensor:
    """Which token [T] sees which [T]: itself and the `window` - 1 before it."""
    position = torch.arange(tokens, device=device)
    distance = position[:, None] - position
    return (distance >= 0) & (distance < window)


class Attention(nn.Module):
    """Causal attention with rotary positions and grouped queries; with `qk_norm` a norm over each head of both."""

    def __init__(self, config: LlamaConfig, make: WeightFactory) -> None:
        super().__init__()
        head = config.head_width
        self.heads, self.kv_heads, self.head_width = config.heads, config.kv_heads, head
        self.q_proj = make.linear(config.width, config.heads * head, bias=config.attention_bias != "none")
        self.k_proj = make.linear(config.width, config.kv_heads * head, bias=config.attention_bias != "none")
        self.v_proj = make.linear(config.width, config.kv_heads * head, bias=config.attention_bias != "none")
        self.o_proj = make.linear(config.heads * head, config.width, bias=config.attention_bias == "all")
        self.attn_sub_norm = block_norm(config, config.heads * head) if config.sub_norms else nn.Identity()
        self.q_norm = RMSNorm(head, config.norm_eps) if config.qk_norm else nn.Identity()
        self.k_norm = RMSNorm(head, config.norm_eps) if config.qk_norm else nn.Identity()

    def forward(self, x_BTD: Tensor, cos_TE: Tensor, sin_TE: Tensor, mask_TT: Tensor | None) -> Tensor:
        B, T, _ = x_BTD.shape
        q, k, v = together(x_BTD, self.q_proj, self.k_proj, self.v_proj)
        q = q.view(B, T, self.heads, self.head_width).transpose(1, 2)
        k = k.view(B, T, self.kv_heads, self.head_width).transpose(1, 2)
        v = v.view(B, T, self.kv_heads, self.head_width).transpose(1, 2)
        q, k = rotate(self.q_norm(q), cos_TE, sin_TE), rotate(self.k_norm(k), cos_TE, sin_TE)
        y = F.scaled_dot_product_attention(
            q, k, v, attn_mask=mask_TT, is_causal=mask_TT is None, enable_gqa=self.heads != self.kv_heads
        )
        return self.o_proj(self.attn_sub_norm(y.transpose(1, 2).reshape(B, T, -1)))


class MLP(nn.Module):
    """down(sub_norm(act(gate(x)) * up(x)))."""

    def __init__(self, config: LlamaConfig, make: WeightFactory) -> None:
        super().__init__()
        self.gate_proj = make.linear(config.width, config.hidden, bias=config.mlp_bias)
        self.up_proj = make.linear(config.width, config.hidden, bias=config.mlp_bias)
        self.down_proj = make.linear(config.hidden, config.width, bias=config.mlp_bias)
        self.ffn_sub_norm = block_norm(config, config.hidden) if config.sub_norms else nn.Identity()
        self.squared = config.activation == "relu2"

    def forward(self, x_BTD: Tensor) -> Tensor:
        gate, up = together(x_BTD, self.gate_proj, self.up_proj)
        gate = F.relu(gate).square() if self.squared else F.silu(gate)
        return self.down_proj(self.ffn_sub_norm(gate * up))


class Block(nn.Module):
    """Attention and MLP, each behind a norm and added to the residual."""

    def __init__(self, config: LlamaConfig, make: WeightFactory) -> None:
        super().__init__()
        self.input_layernorm = block_norm(config, config.width)
        self.self_attn = Attention(config, make)
        self.post_attention_layernorm = block_norm(config, config.width)
        self.mlp = MLP(config, make)

    def forward(self, x_BTD: Tensor, cos_TE: Tensor, sin_TE: Tensor, mask_TT: Tensor | None) -> Tensor:
        x_BTD = x_BTD + self.self_attn(self.input_layernorm(x_BTD), cos_TE, sin_TE, mask_TT)
        return x_BTD + self.mlp(self.post_attention_layernorm(x_BTD))


class Trunk(nn.Module):
    """Embedding, blocks and the last norm: what Hugging Face calls `model`."""

    def __init__(self, config: LlamaConfig, vocab: int, make: WeightFactory) -> None:
        super().__init__()
        self.embed_tokens = make.embedding(vocab, config.width)
        self.layers = nn.ModuleList(Block(config, make) for _ in range(config.layers))
        self.norm = RMSNorm(config.width, config.norm_eps)
        self.config = config
        self._table = torch.empty(2, 0, config.head_width // 2)

    def forward(self, ids_BT: Tensor) -> Tensor:
        T = ids_BT.shape[1]
        x = self.embed_tokens(ids_BT)
        cos, sin = self._rotary(T, x.device)
        mask = window_mask(T, self.config.window, x.device) if 0 < self.config.window < T else None
        for block in self.layers:
            x = block(x, cos, sin, mask)
        return self.norm(x)

    def _rotary(self, tokens: int, device: torch.device) -> tuple[Tensor, Tensor]:
        """Cosines and sines of the first positions, from a table as long as the longest text so far needs."""
        if self._table.shape[1] < min(tokens, self.config.context) or self._table.device != device:
            with torch.inference_mode(False):  # training may use what an evaluation made
                found = rotary_tensors(self.config, 1 << (tokens - 1).bit_length())
                self._table = torch.stack(found).to(device)
        return self._table[0, :tokens], self._table[1, :tokens]


class Llama(FamilyNetwork[LlamaConfig]):
    """ids [B, T] -> logits [B, T, vocab]."""

    def __init__(self, config: LlamaConfig, vocab: int, make: WeightFactory) -> None:
        super().__init__(config, vocab)
        self.model = Trunk(config, vocab, make)
        self.lm_head = make.head(config.width, vocab, self.model.embed_tokens if config.tie else None)

    def forward(self, ids_BT: Tensor) -> Tensor:
        return self.lm_head(self.model(ids_BT))

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

"""Llama's shape, and with `sub_norms` BitNet 2B4T's: the default network.

Parameter names and config keys are those of Hugging Face (LlamaForCausalLM, BitNetForCausalLM), so that a trained
model travels: RMSNorm with gain, rotary positions, grouped queries, a gated MLP, no biases.  With `sub_norms` there is
a norm before every quantized linear: the two extra ones stand before the output projections of attention and MLP.

Legend of shape suffixes: B batch, T tokens, D width, H heads, K key-value heads, E head width.
"""

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import Any, Literal

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from pentanet.errors import ConfigError
from pentanet.models.hub import from_hub
from pentanet.nn import WeightFactory, quantized_modules


@dataclass(frozen=True, kw_only=True, slots=True)
class LlamaConfig:
    """Sizes of the network."""

    family: Literal["llama"] = "llama"
    layers: int = 4
    """Number of blocks."""
    width: int = 128
    """Residual width D."""
    heads: int = 4
    """Query heads."""
    kv_heads: int = 4
    """Key and value heads; divides `heads`."""
    hidden: int = 352
    """Inner width of the gated MLP."""
    context: int = 256
    """Longest window in tokens."""
    activation: Literal["silu", "relu2"] = "silu"
    """Gate of the MLP: silu (SwiGLU) or relu squared."""
    sub_norms: bool = True
    """Norms before the output projections of attention and MLP."""
    tie: bool = False
    """Share the embedding and the head."""
    rope_theta: float = 10_000.0
    """Base of the rotary frequencies."""
    norm_eps: float = 1e-5
    """Added to the mean square in every RMSNorm."""
    init_std: float = 0.02
    """Standard deviation of the embedding and the head at the start."""

    def __post_init__(self) -> None:
        for name in ("layers", "width", "heads", "kv_heads", "hidden", "context"):
            if getattr(self, name) < 1:
                raise ConfigError(f"model.{name} = {getattr(self, name)}: must be at least 1")
        for name in ("rope_theta", "norm_eps", "init_std"):
            if not 0 < getattr(self, name) < math.inf:
                raise ConfigError(f"model.{name} = {getattr(self, name)}: must be positive and finite")
        if self.width % self.heads or (self.width // self.heads) % 2:
            raise ConfigError(f"model.width {self.width} must be an even multiple of model.heads {self.heads}")
        if self.heads % self.kv_heads:
            raise ConfigError(f"model.heads {self.heads} must be a multiple of model.kv_heads {self.kv_heads}")

    def hub_config(self, vocab: int) -> dict[str, Any]:
        """The config.json that transformers reads."""
        return {
            "architectures": ["BitNetForCausalLM" if self.sub_norms else "LlamaForCausalLM"],
            "model_type": "bitnet" if self.sub_norms else "llama",
            "vocab_size": vocab,
            "hidden_size": self.width,
            "intermediate_size": self.hidden,
            "num_hidden_layers": self.layers,
            "num_attention_heads": self.heads,
            "num_key_value_heads": self.kv_heads,
            "max_position_embeddings": self.context,
            "hidden_act": self.activation,
            "rms_norm_eps": self.norm_eps,
            "rope_theta": self.rope_theta,
            "tie_word_embeddings": self.tie,
            "attention_bias": False,
            "initializer_range": self.init_std,
        }

    @classmethod
    def from_hub_config(cls, config: dict[str, Any]) -> LlamaConfig:
        """The inverse of `hub_config`; a missing or wrong value is a ConfigError."""
        return from_hub(cls, config, _HUB_KEYS, sub_norms=config.get("model_type") == "bitnet")


_HUB_KEYS = {
    "layers": "num_hidden_layers",
    "width": "hidden_size",
    "heads": "num_attention_heads",
    "kv_heads": "num_key_value_heads",
    "hidden": "intermediate_size",
    "context": "max_position_embeddings",
    "activation": "hidden_act",
    "tie": "tie_word_embeddings",
    "rope_theta": "rope_theta",
    "norm_eps": "rms_norm_eps",
    "init_std": "initializer_range",
}


class RMSNorm(nn.Module):
    """x / rms(x) * gain over the last dimension, in float32."""

    def __init__(self, width: int, eps: float) -> None:
        super().__init__()
        self.weight = nn.Parameter(torch.ones(width))
        self.eps = eps

    def forward(self, x: Tensor) -> Tensor:
        return F.rms_norm(x, self.weight.shape, self.weight.to(x.dtype), self.eps)


def rotary_table(context: int, head_width: int, theta: float) -> tuple[Tensor, Tensor]:
    """Cosines and sines [context, head_width / 2] of the rotary position embedding (RoFormer, 2104.09864)."""
    frequency = theta ** (-torch.arange(0, head_width, 2, dtype=torch.float64) / head_width)
    angle = torch.outer(torch.arange(context, dtype=torch.float64), frequency)
    return angle.cos().float(), angle.sin().float()


def rotate(x_BHTE: Tensor, cos_TE: Tensor, sin_TE: Tensor) -> Tensor:
    """Rotate each pair (i, i + E/2) of the head by its position's angle: Hugging Face's half-split order."""
    a, b = x_BHTE.chunk(2, dim=-1)
    return torch.cat((a * cos_TE - b * sin_TE, b * cos_TE + a * sin_TE), dim=-1)


class Attention(nn.Module):
    """Causal attention with rotary positions and grouped queries."""

    def __init__(self, config: LlamaConfig, make: WeightFactory) -> None:
        super().__init__()
        head = config.width // config.heads
        self.heads, self.kv_heads, self.head_width = config.heads, config.kv_heads, head
        self.q_proj = make.linear(config.width, config.heads * head)
        self.k_proj = make.linear(config.width, config.kv_heads * head)
        self.v_proj = make.linear(config.width, config.kv_heads * head)
        self.o_proj = make.linear(config.heads * head, config.width)
        self.attn_sub_norm = RMSNorm(config.heads * head, config.norm_eps) if config.sub_norms else nn.Identity()

    def forward(self, x_BTD: Tensor, cos_TE: Tensor, sin_TE: Tensor) -> Tensor:
        B, T, _ = x_BTD.shape
        q = self.q_proj(x_BTD).view(B, T, self.heads, self.head_width).transpose(1, 2)
        k = self.k_proj(x_BTD).view(B, T, self.kv_heads, self.head_width).transpose(1, 2)
        v = self.v_proj(x_BTD).view(B, T, self.kv_heads, self.head_width).transpose(1, 2)
        q, k = rotate(q, cos_TE, sin_TE), rotate(k, cos_TE, sin_TE)
        y = F.scaled_dot_product_attention(q, k, v, is_causal=True, enable_gqa=self.heads != self.kv_heads)
        return self.o_proj(self.attn_sub_norm(y.transpose(1, 2).reshape(B, T, -1)))


class MLP(nn.Module):
    """down(sub_norm(act(gate(x)) * up(x)))."""

    def __init__(self, config: LlamaConfig, make: WeightFactory) -> None:
        super().__init__()
        self.gate_proj = make.linear(config.width, config.hidden)
        self.up_proj = make.linear(config.width, config.hidden)
        self.down_proj = make.linear(config.hidden, config.width)
        self.ffn_sub_norm = RMSNorm(config.hidden, config.norm_eps) if config.sub_norms else nn.Identity()
        self.squared = config.activation == "relu2"

    def forward(self, x_BTD: Tensor) -> Tensor:
        gate = self.gate_proj(x_BTD)
        gate = F.relu(gate).square() if self.squared else F.silu(gate)
        return self.down_proj(self.ffn_sub_norm(gate * self.up_proj(x_BTD)))


class Block(nn.Module):
    """Attention and MLP, each behind a norm and added to the residual."""

    def __init__(self, config: LlamaConfig, make: WeightFactory) -> None:
        super().__init__()
        self.input_layernorm = RMSNorm(config.width, config.norm_eps)
        self.self_attn = Attention(config, make)
        self.post_attention_layernorm = RMSNorm(config.width, config.norm_eps)
        self.mlp = MLP(config, make)

    def forward(self, x_BTD: Tensor, cos_TE: Tensor, sin_TE: Tensor) -> Tensor:
        x_BTD = x_BTD + self.self_attn(self.input_layernorm(x_BTD), cos_TE, sin_TE)
        return x_BTD + self.mlp(self.post_attention_layernorm(x_BTD))


class Trunk(nn.Module):
    """Embedding, blocks and the last norm: what Hugging Face calls `model`."""

    def __init__(self, config: LlamaConfig, vocab: int, make: WeightFactory) -> None:
        super().__init__()
        self.embed_tokens = make.embedding(vocab, config.width)
        self.layers = nn.ModuleList(Block(config, make) for _ in range(config.layers))
        self.norm = RMSNorm(config.width, config.norm_eps)
        cos, sin = rotary_table(config.context, config.width // config.heads, config.rope_theta)
        self.register_buffer("cos", cos, persistent=False)
        self.register_buffer("sin", sin, persistent=False)

    def forward(self, ids_BT: Tensor) -> Tensor:
        T = ids_BT.shape[1]
        x = self.embed_tokens(ids_BT)
        cos, sin = self.get_buffer("cos")[:T], self.get_buffer("sin")[:T]
        for block in self.layers:
            x = block(x, cos, sin)
        return self.norm(x)


class Llama(nn.Module):
    """ids [B, T] -> logits [B, T, vocab]."""

    def __init__(self, config: LlamaConfig, vocab: int, make: WeightFactory) -> None:
        super().__init__()
        self.config, self.vocab = config, vocab
        self.model = Trunk(config, vocab, make)
        self.lm_head = make.head(config.width, vocab, self.model.embed_tokens if config.tie else None)

    @property
    def stores_head_once(self) -> bool:
        """The packed file has no head of its own: it is the embedding."""
        return self.config.tie

    def forward(self, ids_BT: Tensor) -> Tensor:
        return self.lm_head(self.model(ids_BT))

    def initialize(self, generator: torch.Generator) -> None:
        """Draw the weights: N(0, 1/inputs) in the blocks, the projections into the residual smaller by sqrt(2 layers).

        With quantized weights this is what keeps the residual from growing with depth: the scale rule makes the
        forward pass as large as the latent weight.
        """
        config = self.config
        for name, module in quantized_modules(self):
            std = module.weight.shape[1] ** -0.5
            if name in ("model.embed_tokens", "lm_head"):
                std = config.init_std
            elif name.endswith(("o_proj", "down_proj")):
                std *= (2 * config.layers) ** -0.5
            if not (config.tie and name == "lm_head"):
                module.draw(std, generator)
            module.quantizer.initialize(module.weight)

"""Decoder networks in torch, as `pentanet.families.decoder.shape` describes them: the reference of the native engine.

Parameter names are those of Hugging Face, so that a trained model travels.

Legend of shape suffixes: B batch, T tokens, D width, H heads, K key-value heads, E head width.
"""

from __future__ import annotations

from collections.abc import Callable
from functools import partial
from typing import TypeVar

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from pentanet.families.decoder.shape import Activation, Decoder, DecoderConfig, LayerAttention
from pentanet.families.network import FamilyNetwork
from pentanet.families.rope import Rotary
from pentanet.families.rotary import rotary_tensors, rotate
from pentanet.nn import WeightFactory, together

C_co = TypeVar("C_co", bound=DecoderConfig, covariant=True)
Beside = tuple[Tensor | None, Tensor | None, Tensor | None]
"""What attention takes beside its inputs: cosines and sines [T, E / 2 or less], and which token sees which [T, T]."""


def _relu2(x: Tensor) -> Tensor:
    return F.relu(x).square()


_ACTIVATIONS: dict[Activation, Callable[[Tensor], Tensor]] = {
    "silu": F.silu,
    "relu2": _relu2,
    "gelu": F.gelu,
    "gelu_tanh": partial(F.gelu, approximate="tanh"),
}


class RMSNorm(nn.Module):
    """x / rms(x) * (gain + offset) over the last dimension; the gain is stored even if it is not `learned`."""

    def __init__(self, width: int, decoder: Decoder, *, learned: bool = True) -> None:
        super().__init__()
        self.weight = nn.Parameter(torch.ones(width), requires_grad=learned)
        self.eps, self.offset = decoder.norm_eps, decoder.norm_offset

    def forward(self, x: Tensor) -> Tensor:
        gain = self.weight + self.offset if self.offset else self.weight
        return F.rms_norm(x, gain.shape, gain.to(x.dtype), self.eps)


def window_mask(tokens: int, window: int, device: torch.device) -> Tensor:
    """Which token [T] sees which [T]: itself and the `window` - 1 before it."""
    position = torch.arange(tokens, device=device)
    distance = position[:, None] - position
    return (distance >= 0) & (distance < window)


def soft_cap(x: Tensor, cap: float) -> Tensor:
    """Limits x smoothly: cap * tanh(x / cap), or x where the cap is 0."""
    return torch.tanh(x / cap) * cap if cap else x


class Attention(nn.Module):
    """Causal attention with rotary positions and grouped queries."""

    def __init__(self, decoder: Decoder, make: WeightFactory) -> None:
        super().__init__()
        self.heads, self.kv_heads, self.head_width = decoder.heads, decoder.kv_heads, decoder.head_width
        self.names, self.widths = decoder.names, decoder.qkv_widths
        self.scale, self.cap = decoder.score_scale or None, decoder.score_cap
        outputs = (sum(self.widths),) if self.names.fused else self.widths
        for name, rows in zip(self.names.into_attention, outputs, strict=True):
            self.add_module(name, make.linear(decoder.width, rows, bias=decoder.attention_bias != "none"))
        self.o_proj = make.linear(self.widths[0], decoder.width, bias=decoder.attention_bias == "all")
        sub_norm = RMSNorm(self.widths[0], decoder, learned=decoder.learned_gains) if decoder.sub_norms else None
        self.attn_sub_norm = sub_norm or nn.Identity()
        self.over = decoder.qk_norm_widths
        normed = decoder.qk_norm != "none"
        self.q_norm = RMSNorm(self.over[0], decoder) if normed else nn.Identity()
        self.k_norm = RMSNorm(self.over[1], decoder) if normed else nn.Identity()

    def forward(self, x_BTD: Tensor, cos_TE: Tensor | None, sin_TE: Tensor | None, mask_TT: Tensor | None) -> Tensor:
        B, T, _ = x_BTD.shape
        q, k, v = self._queries_keys_values(x_BTD)
        q = self.q_norm(q.view(B, T, -1, self.over[0])).view(B, T, self.heads, self.head_width).transpose(1, 2)
        k = self.k_norm(k.view(B, T, -1, self.over[1])).view(B, T, self.kv_heads, self.head_width).transpose(1, 2)
        v = v.view(B, T, self.kv_heads, self.head_width).transpose(1, 2)
        if cos_TE is not None and sin_TE is not None:
            q, k = rotate(q, cos_TE, sin_TE), rotate(k, cos_TE, sin_TE)
        y = self._mix(q, k, v, mask_TT).transpose(1, 2).reshape(B, T, -1)
        return self.o_proj(self.attn_sub_norm(y))

    def _queries_keys_values(self, x_BTD: Tensor) -> tuple[Tensor, ...]:
        made = together(x_BTD, *(self.get_submodule(name) for name in self.names.into_attention))
        if not self.names.fused:
            return made
        queries, keys, _ = self.widths
        return made[0][..., :queries], made[0][..., queries : queries + keys], made[0][..., queries + keys :]

    def _mix(self, q_BHTE: Tensor, k_BKTE: Tensor, v_BKTE: Tensor, mask_TT: Tensor | None) -> Tensor:
        grouped = self.heads != self.kv_heads
        if not self.cap:
            return F.scaled_dot_product_attention(
                q_BHTE,
                k_BKTE,
                v_BKTE,
                attn_mask=mask_TT,
                is_causal=mask_TT is None,
                scale=self.scale,
                enable_gqa=grouped,
            )
        T, share = q_BHTE.shape[-2], self.heads // self.kv_heads
        if mask_TT is None:
            mask_TT = window_mask(T, T, q_BHTE.device)
        k, v = k_BKTE.repeat_interleave(share, 1), v_BKTE.repeat_interleave(share, 1)
        scores = soft_cap(q_BHTE @ k.transpose(-1, -2) * (self.scale or self.head_width**-0.5), self.cap)
        return scores.masked_fill(~mask_TT, float("-inf")).softmax(-1, dtype=torch.float32).to(v.dtype) @ v


class MLP(nn.Module):
    """down(sub_norm(act(gate(x)) * up(x)))."""

    def __init__(self, decoder: Decoder, make: WeightFactory) -> None:
        super().__init__()
        self.names, hidden = decoder.names, decoder.hidden
        for name in self.names.into_mlp:
            rows = 2 * hidden if self.names.fused else hidden
            self.add_module(name, make.linear(decoder.width, rows, bias=decoder.mlp_bias))
        self.down_proj = make.linear(hidden, decoder.width, bias=decoder.mlp_bias)
        sub_norm = RMSNorm(hidden, decoder, learned=decoder.learned_gains) if decoder.sub_norms else None
        self.ffn_sub_norm = sub_norm or nn.Identity()
        self.activation = _ACTIVATIONS[decoder.activation]

    def forward(self, x_BTD: Tensor) -> Tensor:
        made = together(x_BTD, *(self.get_submodule(name) for name in self.names.into_mlp))
        gate, up = made[0].chunk(2, -1) if self.names.fused else made
        return self.down_proj(self.ffn_sub_norm(self.activation(gate) * up))


class Block(nn.Module):
    """Attention and MLP, each between norms where the network has them, and added to the residual stream."""

    def __init__(self, decoder: Decoder, make: WeightFactory) -> None:
        super().__init__()
        self.names, self.residual_scale = decoder.names, decoder.residual_scale
        self._add_norm(self.names.before_attention, decoder)
        self.self_attn = Attention(decoder, make)
        self._add_norm(self.names.after_attention, decoder)
        self._add_norm(self.names.before_mlp, decoder)
        self.mlp = MLP(decoder, make)
        self._add_norm(self.names.after_mlp, decoder)

    def _add_norm(self, name: str, decoder: Decoder) -> None:
        if name:
            self.add_module(name, RMSNorm(decoder.width, decoder, learned=decoder.learned_gains))

    def forward(self, x_BTD: Tensor, cos_TE: Tensor | None, sin_TE: Tensor | None, mask_TT: Tensor | None) -> Tensor:
        names = self.names
        mixed = self.self_attn(self._norm(names.before_attention, x_BTD), cos_TE, sin_TE, mask_TT)
        x_BTD = x_BTD + self._scaled(self._norm(names.after_attention, mixed))
        return x_BTD + self._scaled(self._norm(names.after_mlp, self.mlp(self._norm(names.before_mlp, x_BTD))))

    def _norm(self, name: str, x: Tensor) -> Tensor:
        found: Tensor = self.get_submodule(name)(x) if name else x
        return found

    def _scaled(self, x: Tensor) -> Tensor:
        return x if self.residual_scale == 1 else x * self.residual_scale


class Trunk(nn.Module):
    """Embedding, blocks and the last norm: what Hugging Face calls `model`."""

    def __init__(self, decoder: Decoder, vocab: int, make: WeightFactory) -> None:
        super().__init__()
        self.embed_tokens = make.embedding(vocab, decoder.width)
        self.layers = nn.ModuleList(Block(decoder, make) for _ in range(decoder.layers))
        self.norm = RMSNorm(decoder.width, decoder)
        self.decoder = decoder
        self._tables: dict[Rotary, Tensor] = {}

    def forward(self, ids_BT: Tensor) -> Tensor:
        T = ids_BT.shape[1]
        x = self.embed_tokens(ids_BT)
        if self.decoder.embedding_scale != 1:
            x = x * self.decoder.embedding_scale
        beside = {kind: self._beside(kind, T, x.device) for kind in set(self.decoder.attention)}
        for block, kind in zip(self.layers, self.decoder.attention, strict=True):
            x = block(x, *beside[kind])
        return self.norm(x)

    def _beside(self, kind: LayerAttention, tokens: int, device: torch.device) -> Beside:
        mask = window_mask(tokens, kind.window, device) if 0 < kind.window < tokens else None
        if kind.rotary is None:
            return None, None, mask
        return *self._rotary(kind.rotary, tokens, device), mask

    def _rotary(self, rotary: Rotary, tokens: int, device: torch.device) -> tuple[Tensor, Tensor]:
        """Cosines and sines of the first positions, from a table as long as the longest text so far needs."""
        table, context = self._tables.get(rotary), self.decoder.context
        if table is None or table.shape[1] < min(tokens, context) or table.device != device:
            with torch.inference_mode(False):  # training may use what an evaluation made
                found = rotary_tensors(rotary, min(1 << (tokens - 1).bit_length(), context))
                table = self._tables[rotary] = torch.stack(found).to(device)
        return table[0, :tokens], table[1, :tokens]


class DecoderNetwork(FamilyNetwork[C_co]):
    """ids [B, T] -> logits [B, T, vocab]."""

    def __init__(self, config: C_co, vocab: int, make: WeightFactory) -> None:
        super().__init__(config, vocab)
        decoder = config.decoder
        self.model = Trunk(decoder, vocab, make)
        self.lm_head = make.head(decoder.width, vocab, self.model.embed_tokens if decoder.tie else None)
        self.logit_scale, self.logit_cap = decoder.logit_scale, decoder.logit_cap

    def forward(self, ids_BT: Tensor) -> Tensor:
        logits = self.lm_head(self.model(ids_BT))
        if self.logit_scale != 1:
            logits = logits * self.logit_scale
        return soft_cap(logits, self.logit_cap)

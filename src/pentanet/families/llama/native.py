"""A packed network of Llama's shape as a model of the native engine."""

from __future__ import annotations

from typing import TYPE_CHECKING

from pentanet.families.llama.config import LlamaConfig
from pentanet.families.llama.tensors import EMBEDDING, HEAD
from pentanet.families.native_parts import NativeParts
from pentanet.families.rope import rotary_table

if TYPE_CHECKING:
    from pentanet._native import Layer, Model


def native_model(parts: NativeParts, config: LlamaConfig) -> Model:
    """The model.  Raises CodeError: a matrix holds bytes that no encoder writes."""
    from pentanet._native import Model

    cosines, sines = rotary_table(config.context, config.head_width, config.rope_theta, config.rope)
    embedding = parts.matrix(EMBEDDING, whole=config.tie)
    return Model(
        width=config.width,
        heads=config.heads,
        kv_heads=config.kv_heads,
        head_width=config.head_width,
        context=config.context,
        window=config.window,
        norm="rms",
        norm_eps=config.norm_eps,
        activation=config.activation,
        embedding=embedding,
        head=embedding if config.tie else parts.matrix(HEAD),
        final_norm=parts.vector("model.norm"),
        cosines=cosines,
        sines=sines,
        layers=[_layer(parts, config, f"model.layers.{i}") for i in range(config.layers)],
        isa=parts.isa,
    )


def _layer(parts: NativeParts, config: LlamaConfig, name: str) -> Layer:
    from pentanet._native import Layer

    attention, mlp, subs = f"{name}.self_attn", f"{name}.mlp", config.sub_norms
    return Layer(
        attention_norm=parts.vector(f"{name}.input_layernorm"),
        qkv=[parts.matrix(f"{attention}.{part}_proj") for part in "qkv"],
        query_norm=parts.vector(f"{attention}.q_norm") if config.qk_norm else None,
        key_norm=parts.vector(f"{attention}.k_norm") if config.qk_norm else None,
        attention_sub_norm=parts.vector(f"{attention}.attn_sub_norm") if subs else None,
        attention_out=parts.matrix(f"{attention}.o_proj"),
        mlp_norm=parts.vector(f"{name}.post_attention_layernorm"),
        up=[parts.matrix(f"{mlp}.{part}_proj") for part in ("gate", "up")],
        mlp_sub_norm=parts.vector(f"{mlp}.ffn_sub_norm") if subs else None,
        down=parts.matrix(f"{mlp}.down_proj"),
    )

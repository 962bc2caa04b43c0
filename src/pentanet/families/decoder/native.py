"""A packed decoder network as a model of the native engine."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np
from numpy.typing import NDArray

from pentanet.families.decoder.shape import EMBEDDING, HEAD, LAST_NORM, TRUNK, Decoder, DecoderConfig
from pentanet.families.native_parts import NativeParts
from pentanet.families.rope import Rotary

if TYPE_CHECKING:
    from pentanet._native import Layer, Model


def native_model(parts: NativeParts, config: DecoderConfig) -> Model:
    """The model.  Raises CodeError: a matrix holds bytes that no encoder writes."""
    from pentanet._native import Model

    decoder = config.decoder
    rotaries = list(dict.fromkeys(kind.rotary for kind in decoder.attention if kind.rotary is not None))
    embedding = parts.matrix(EMBEDDING, whole=decoder.tie)
    return Model(
        width=decoder.width,
        heads=decoder.heads,
        kv_heads=decoder.kv_heads,
        head_width=decoder.head_width,
        context=decoder.context,
        norm="rms",
        norm_eps=decoder.norm_eps,
        activation=decoder.activation,
        gated=True,
        embedding_scale=decoder.embedding_scale,
        residual_scale=decoder.residual_scale,
        score_scale=decoder.score_scale,
        logit_scale=decoder.logit_scale,
        score_cap=decoder.score_cap,
        logit_cap=decoder.logit_cap,
        embedding=embedding,
        head=embedding if decoder.tie else parts.matrix(HEAD),
        final_norm=_gain(parts, decoder, LAST_NORM),
        rotaries=[rotary.table(decoder.context) for rotary in rotaries],
        layers=[_layer(parts, decoder, layer, rotaries) for layer in range(decoder.layers)],
        isa=parts.isa,
    )


def _layer(parts: NativeParts, decoder: Decoder, layer: int, rotaries: list[Rotary]) -> Layer:
    from pentanet._native import Layer

    names, kind = decoder.names, decoder.attention[layer]
    block = f"{TRUNK}.{layer}"
    attention, mlp = f"{block}.self_attn", f"{block}.mlp"

    def gain(name: str, there: bool) -> NDArray[np.float32] | None:
        return _gain(parts, decoder, name) if there else None

    def norm(name: str) -> NDArray[np.float32] | None:
        return gain(f"{block}.{name}", name != "")

    return Layer(
        attention_norm=norm(names.before_attention),
        qkv=[parts.matrix(f"{attention}.{name}") for name in names.into_attention],
        query_norm=gain(f"{attention}.q_norm", decoder.qk_norm != "none"),
        key_norm=gain(f"{attention}.k_norm", decoder.qk_norm != "none"),
        attention_sub_norm=gain(f"{attention}.attn_sub_norm", decoder.sub_norms),
        attention_out=parts.matrix(f"{attention}.o_proj"),
        attention_post_norm=norm(names.after_attention),
        mlp_norm=norm(names.before_mlp),
        up=[parts.matrix(f"{mlp}.{name}") for name in names.into_mlp],
        mlp_sub_norm=gain(f"{mlp}.ffn_sub_norm", decoder.sub_norms),
        down=parts.matrix(f"{mlp}.down_proj"),
        mlp_post_norm=norm(names.after_mlp),
        window=kind.window,
        rotary=-1 if kind.rotary is None else rotaries.index(kind.rotary),
    )


def _gain(parts: NativeParts, decoder: Decoder, name: str) -> NDArray[np.float32]:
    found = parts.vector(name)
    return found + np.float32(decoder.norm_offset) if decoder.norm_offset else found

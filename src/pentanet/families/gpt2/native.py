"""A packed network of GPT-2's shape as a model of the native engine."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np
from numpy.typing import NDArray

from pentanet.families.gpt2.config import GPT2Config, GPTConfig
from pentanet.families.gpt2.tensors import EMBEDDING, HEAD, POSITIONS
from pentanet.families.native_parts import NativeParts

if TYPE_CHECKING:
    from pentanet._native import Layer, Model


def native_model(parts: NativeParts, config: GPTConfig | GPT2Config) -> Model:
    """The model.  Raises CodeError: a matrix holds bytes that no encoder writes."""
    from pentanet._native import Layer, Model

    def bias(norm: str) -> NDArray[np.float32] | None:
        return parts.vector(norm, "bias") if config.biases else None

    def layer(name: str) -> Layer:
        return Layer(
            attention_norm=parts.vector(f"{name}.ln_1"),
            attention_norm_bias=bias(f"{name}.ln_1"),
            qkv=[parts.matrix(f"{name}.attn.c_attn")],
            attention_out=parts.matrix(f"{name}.attn.c_proj"),
            mlp_norm=parts.vector(f"{name}.ln_2"),
            mlp_norm_bias=bias(f"{name}.ln_2"),
            up=[parts.matrix(f"{name}.mlp.c_fc")],
            down=parts.matrix(f"{name}.mlp.c_proj"),
        )

    embedding = parts.matrix(EMBEDDING, whole=not config.stores_head)
    return Model(
        width=config.width,
        heads=config.heads,
        kv_heads=config.heads,
        head_width=config.width // config.heads,
        context=config.context,
        norm="layer",
        norm_eps=config.norm_eps,
        activation=config.activation,
        gated=False,
        embedding=embedding,
        head=parts.matrix(HEAD) if config.stores_head else embedding,
        final_norm=parts.vector("transformer.ln_f"),
        final_norm_bias=bias("transformer.ln_f"),
        positions=parts.vector(POSITIONS),
        layers=[layer(f"transformer.h.{i}") for i in range(config.layers)],
        isa=parts.isa,
    )

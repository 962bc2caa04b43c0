"""A packed directory as a model of the native engine."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np
from numpy.typing import NDArray

from pentanet.errors import CodeError
from pentanet.families import GPT2Config, GPTConfig, LlamaConfig, ModelConfig
from pentanet.families.rope import rotary_table
from pentanet.format.packed_model import PackedModel
from pentanet.format.tensors import CodedSpec

if TYPE_CHECKING:
    from pentanet._native import Layer, Matrix, Model

GPT_NORM_EPS = 1e-5  # of torch's LayerNorm


def assemble(packed: PackedModel, config: ModelConfig, isa: str, threads: int) -> Model:
    """Give the engine every tensor of a directory whose names and shapes have been checked.

    The threads share the work of looking at all codes, and of repacking where the instruction set reads another layout
    than the file has.

    Raises:
        CodeError: a matrix holds bytes that no encoder writes.
    """
    parts = _Parts(packed, isa, threads)
    match config:
        case LlamaConfig():
            return _llama(parts, config)
        case GPTConfig():
            return _gpt(parts, config)
        case GPT2Config():
            return _gpt2(parts, config)


class _Parts:
    """Tensors as the engine takes them."""

    def __init__(self, packed: PackedModel, isa: str, threads: int) -> None:
        from pentanet import _native

        self.packed, self.isa, self.threads = packed, isa, threads
        self.memory = _native.Memory() if _native.huge_pages() else None

    def vector(self, name: str, kind: str = "weight") -> NDArray[np.float32]:
        return self.packed.plain(f"{name}.{kind}")

    def matrix(self, name: str, *, whole: bool = True) -> Matrix:
        """A matrix in huge pages, in the order of the calls; where not the whole of it is read, in the file."""
        from pentanet._native import Matrix

        name = f"{name}.weight"
        spec, raw = self.packed.spec(name), self.packed.tensor_file.raw(name)
        rows, cols = spec.shape
        if not isinstance(spec, CodedSpec):
            return Matrix.plain(raw, dtype=spec.dtype, rows=rows, cols=cols, isa=self.isa)
        scales = self.packed.scales(name)
        try:
            return Matrix.coded(
                raw,
                scales,
                self.packed.bias(name),
                layout=spec.layout,
                lowest=spec.grid.lowest,
                spacing=spec.grid.spacing,
                size=spec.grid.size,
                rows=rows,
                cols=spec.inputs,  # of planes side by side, which the engine gives the inputs as often
                isa=self.isa,
                threads=self.threads,
                memory=self.memory if whole else None,
            )
        except ValueError as error:
            raise CodeError(f"{self.packed.path}: tensor '{name}': {error}") from None


def _llama(parts: _Parts, config: LlamaConfig) -> Model:
    from pentanet._native import Layer, Model

    def layer(name: str) -> Layer:
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

    cosines, sines = rotary_table(config.context, config.head_width, config.rope_theta, config.rope)
    embedding = parts.matrix("model.embed_tokens", whole=config.tie)
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
        head=embedding if config.tie else parts.matrix("lm_head"),
        final_norm=parts.vector("model.norm"),
        cosines=cosines,
        sines=sines,
        layers=[layer(f"model.layers.{i}") for i in range(config.layers)],
        isa=parts.isa,
    )


def _gpt(parts: _Parts, config: GPTConfig) -> Model:
    from pentanet._native import Layer, Model

    def layer(name: str) -> Layer:
        return Layer(
            attention_norm=parts.vector(f"{name}.ln_1"),
            qkv=[parts.matrix(f"{name}.attn.c_attn")],
            attention_out=parts.matrix(f"{name}.attn.c_proj"),
            mlp_norm=parts.vector(f"{name}.ln_2"),
            up=[parts.matrix(f"{name}.mlp.c_fc")],
            down=parts.matrix(f"{name}.mlp.c_proj"),
        )

    return Model(
        width=config.width,
        heads=config.heads,
        kv_heads=config.heads,
        head_width=config.width // config.heads,
        context=config.context,
        norm="layer",
        norm_eps=GPT_NORM_EPS,
        activation="gelu",
        embedding=parts.matrix("transformer.wte", whole=False),
        head=parts.matrix("lm_head"),
        final_norm=parts.vector("transformer.ln_f"),
        positions=parts.vector("transformer.wpe"),
        layers=[layer(f"transformer.h.{i}") for i in range(config.layers)],
        isa=parts.isa,
    )


def _gpt2(parts: _Parts, config: GPT2Config) -> Model:
    from pentanet._native import Layer, Model

    def layer(name: str) -> Layer:
        return Layer(
            attention_norm=parts.vector(f"{name}.ln_1"),
            attention_norm_bias=parts.vector(f"{name}.ln_1", "bias"),
            qkv=[parts.matrix(f"{name}.attn.c_attn")],
            attention_out=parts.matrix(f"{name}.attn.c_proj"),
            mlp_norm=parts.vector(f"{name}.ln_2"),
            mlp_norm_bias=parts.vector(f"{name}.ln_2", "bias"),
            up=[parts.matrix(f"{name}.mlp.c_fc")],
            down=parts.matrix(f"{name}.mlp.c_proj"),
        )

    embedding = parts.matrix("transformer.wte", whole=config.tie)
    return Model(
        width=config.width,
        heads=config.heads,
        kv_heads=config.heads,
        head_width=config.width // config.heads,
        context=config.context,
        norm="layer",
        norm_eps=config.norm_eps,
        activation="gelu_tanh",
        embedding=embedding,
        head=embedding if config.tie else parts.matrix("lm_head"),
        final_norm=parts.vector("transformer.ln_f"),
        final_norm_bias=parts.vector("transformer.ln_f", "bias"),
        positions=parts.vector("transformer.wpe"),
        layers=[layer(f"transformer.h.{i}") for i in range(config.layers)],
        isa=parts.isa,
    )

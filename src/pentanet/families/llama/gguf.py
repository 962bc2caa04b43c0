"""Networks of Llama's shape under llama.cpp's names.

Its `llama` rotates neighbours of a head, (2i, 2i+1), where Hugging Face rotates (i, i + E/2); so the rows of the query
and key projections are put in another order.  Its `qwen3` rotates as Hugging Face does.
"""

from __future__ import annotations

from collections.abc import Mapping
from types import MappingProxyType
from typing import Any

import numpy as np
from numpy.typing import NDArray

from pentanet.errors import ModelConfigError
from pentanet.families.decoder.shape import EMBEDDING, HEAD, LAST_NORM, TRUNK
from pentanet.families.gguf_names import GgufNames
from pentanet.families.llama.config import ARCHITECTURES, LlamaConfig
from pentanet.families.llama.gguf_rope import FACTORS, factors_of, read_rope
from pentanet.families.rope import LinearRope, Llama3Rope, PlainRope


def _architecture(config: LlamaConfig) -> str:
    return GGUF.architectures[config.model_type]


def _refusal(config: LlamaConfig) -> str:
    if config.sub_norms:
        return "norms before the output projections (train with --set model.sub_norms=false)"
    if config.activation != "silu":
        return f"the activation '{config.activation}' (train with --set model.activation=silu)"
    if not isinstance(config.rope, (PlainRope, LinearRope, Llama3Rope)):
        return f"rotary positions of the kind '{config.rope.rope_type}' are not exported"
    return ""


def _has_bias(name: str, architecture: str) -> bool:
    return architecture != "qwen3" and name.startswith(f"{TRUNK}.")


def _heads(name: str, config: LlamaConfig, architecture: str) -> int:
    if architecture != "llama":
        return 0
    module = name.rpartition(".")[0]
    if module.endswith("self_attn.q_proj"):
        return config.heads
    return config.kv_heads if module.endswith("self_attn.k_proj") else 0


def _describe(writer: Any, config: LlamaConfig, vocab: int, package: Any) -> None:
    writer.add_vocab_size(vocab)
    # llama.cpp sees all tokens where Mistral sees a window of them: the two agree as far as the window goes.
    writer.add_context_length(min(config.context, config.window or config.context))
    writer.add_embedding_length(config.width)
    writer.add_block_count(config.layers)
    writer.add_feed_forward_length(config.hidden)
    writer.add_head_count(config.heads)
    writer.add_head_count_kv(config.kv_heads)
    writer.add_key_length(config.head_width)
    writer.add_value_length(config.head_width)
    writer.add_rope_dimension_count(config.head_width)
    writer.add_rope_freq_base(config.rope_theta)
    writer.add_layer_norm_rms_eps(config.norm_eps)
    if isinstance(config.rope, LinearRope):
        writer.add_rope_scaling_type(package.RopeScalingType.LINEAR)
        writer.add_rope_scaling_factor(config.rope.factor)


def _constants_of(config: LlamaConfig) -> Mapping[str, NDArray[np.float32]]:
    if not isinstance(config.rope, Llama3Rope):
        return {}
    return {FACTORS: factors_of(config.rope, config.head_width, config.rope_theta)}


def _read_config(
    fields: Mapping[str, Any],
    shapes: Mapping[str, tuple[int, ...]],
    constants: Mapping[str, NDArray[np.float32]],
    where: str,
) -> dict[str, Any]:
    kind = str(fields["general.architecture"])

    def value(key: str) -> Any:
        if f"{kind}.{key}" not in fields:
            raise ModelConfigError(f"{where}: key '{kind}.{key}' is missing")
        return fields[f"{kind}.{key}"]

    heads = value("attention.head_count")
    head_dim = fields.get(f"{kind}.attention.key_length", value("embedding_length") // max(heads, 1))
    theta = float(fields.get(f"{kind}.rope.freq_base", 10_000.0))
    tokens = fields.get("tokenizer.ggml.tokens", ())
    return {
        "architectures": [ARCHITECTURES[kind]],
        "model_type": kind,
        "vocab_size": shapes.get(f"{EMBEDDING}.weight", (len(tokens),))[0],
        "hidden_size": value("embedding_length"),
        "intermediate_size": value("feed_forward_length"),
        "num_hidden_layers": value("block_count"),
        "num_attention_heads": heads,
        "num_key_value_heads": fields.get(f"{kind}.attention.head_count_kv", heads),
        "head_dim": head_dim,
        "max_position_embeddings": value("context_length"),
        "hidden_act": "silu",
        # Stored in float32, and meant as the decimal fraction nearest to it.
        "rms_norm_eps": float(f"{value('attention.layer_norm_rms_epsilon'):.6g}"),
        "rope_theta": theta,
        **read_rope(fields, constants, head_dim, theta, where),
        "tie_word_embeddings": f"{HEAD}.weight" not in shapes,
        "attention_bias": f"{TRUNK}.0.self_attn.o_proj.bias" in shapes,
        "mlp_bias": f"{TRUNK}.0.mlp.down_proj.bias" in shapes,
        "bos_token_id": fields.get("tokenizer.ggml.bos_token_id"),
        "eos_token_id": fields.get("tokenizer.ggml.eos_token_id"),
    }


GGUF = GgufNames(
    architectures=MappingProxyType({"llama": "llama", "mistral": "llama", "qwen2": "qwen2", "qwen3": "qwen3"}),
    architecture=_architecture,
    refusal=_refusal,
    trunk=TRUNK,
    block=MappingProxyType(
        {
            "attn_norm": "input_layernorm",
            "attn_q": "self_attn.q_proj",
            "attn_k": "self_attn.k_proj",
            "attn_v": "self_attn.v_proj",
            "attn_output": "self_attn.o_proj",
            "attn_q_norm": "self_attn.q_norm",
            "attn_k_norm": "self_attn.k_norm",
            "ffn_norm": "post_attention_layernorm",
            "ffn_gate": "mlp.gate_proj",
            "ffn_up": "mlp.up_proj",
            "ffn_down": "mlp.down_proj",
        }
    ),
    outer=MappingProxyType({"token_embd": EMBEDDING, "output_norm": LAST_NORM, "output": HEAD}),
    constants=(FACTORS,),
    has_bias=_has_bias,
    heads=_heads,
    describe=_describe,
    constants_of=_constants_of,
    read_config=_read_config,
)

"""The tensors of a network of Llama's shape."""

from __future__ import annotations

from pentanet.families.llama.config import LlamaConfig
from pentanet.families.table_builder import TableBuilder

EMBEDDING, HEAD = "model.embed_tokens", "lm_head"


def tensors(table: TableBuilder, config: LlamaConfig, vocab: int) -> None:
    """Add them, in the order of the network."""
    width, queries, keys = config.width, config.heads * config.head_width, config.kv_heads * config.head_width
    table.matrix(EMBEDDING, vocab, width)
    for layer in range(config.layers):
        attention, mlp = f"model.layers.{layer}.self_attn", f"model.layers.{layer}.mlp"
        table.norm(f"model.layers.{layer}.input_layernorm", width)
        for part, outputs in (("q", queries), ("k", keys), ("v", keys)):
            table.linear(f"{attention}.{part}_proj", width, outputs, bias=config.attention_bias != "none")
        table.linear(f"{attention}.o_proj", queries, width, bias=config.attention_bias == "all")
        table.norm(f"model.layers.{layer}.post_attention_layernorm", width)
        for part in ("gate", "up"):
            table.linear(f"{mlp}.{part}_proj", width, config.hidden, bias=config.mlp_bias)
        table.linear(f"{mlp}.down_proj", config.hidden, width, bias=config.mlp_bias)
        if config.qk_norm:
            table.norm(f"{attention}.q_norm", config.head_width)
            table.norm(f"{attention}.k_norm", config.head_width)
        if config.sub_norms:
            table.norm(f"{attention}.attn_sub_norm", queries)
            table.norm(f"{mlp}.ffn_sub_norm", config.hidden)
    table.norm("model.norm", width)
    if not config.tie:
        table.matrix(HEAD, vocab, width)

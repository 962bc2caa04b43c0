"""The tensors of a network of GPT-2's shape."""

from __future__ import annotations

from pentanet.families.gpt2.config import GPT2Config, GPTConfig
from pentanet.families.table_builder import TableBuilder

EMBEDDING, POSITIONS, HEAD = "transformer.wte", "transformer.wpe", "lm_head"


def tensors(table: TableBuilder, config: GPTConfig | GPT2Config, vocab: int) -> None:
    """Add them, in the order of the network."""
    width, hidden, bias = config.width, config.hidden, config.biases
    table.matrix(EMBEDDING, vocab, width)
    table.positions(POSITIONS, config.context, width)
    for layer in range(config.layers):
        block = f"transformer.h.{layer}"
        table.norm(f"{block}.ln_1", width, bias=bias)
        table.linear(f"{block}.attn.c_attn", width, 3 * width, bias=bias)
        table.linear(f"{block}.attn.c_proj", width, width, bias=bias)
        table.norm(f"{block}.ln_2", width, bias=bias)
        table.linear(f"{block}.mlp.c_fc", width, hidden, bias=bias)
        table.linear(f"{block}.mlp.c_proj", hidden, width, bias=bias)
    table.norm("transformer.ln_f", width, bias=bias)
    if config.stores_head:
        table.matrix(HEAD, vocab, width)

"""The tensors of a decoder network."""

from __future__ import annotations

from pentanet.families.decoder.shape import EMBEDDING, HEAD, LAST_NORM, TRUNK, Decoder, DecoderConfig
from pentanet.families.table_builder import TableBuilder


def tensors(table: TableBuilder, config: DecoderConfig, vocab: int) -> None:
    """Add them, in the order of the network."""
    decoder = config.decoder
    table.matrix(EMBEDDING, vocab, decoder.width)
    for layer in range(decoder.layers):
        _block(table, decoder, f"{TRUNK}.{layer}")
    table.norm(LAST_NORM, decoder.width)
    if not decoder.tie:
        table.matrix(HEAD, vocab, decoder.width)


def _block(table: TableBuilder, decoder: Decoder, block: str) -> None:
    names, width, hidden = decoder.names, decoder.width, decoder.hidden
    attention, mlp = f"{block}.self_attn", f"{block}.mlp"
    all_qkv = decoder.qkv_widths
    _norm(table, block, names.before_attention, width)
    for name, outputs in zip(names.into_attention, (sum(all_qkv),) if names.fused else all_qkv, strict=True):
        table.linear(f"{attention}.{name}", width, outputs, bias=decoder.attention_bias != "none")
    table.linear(f"{attention}.o_proj", all_qkv[0], width, bias=decoder.attention_bias == "all")
    _norm(table, block, names.after_attention, width)
    _norm(table, block, names.before_mlp, width)
    for name in names.into_mlp:
        table.linear(f"{mlp}.{name}", width, 2 * hidden if names.fused else hidden, bias=decoder.mlp_bias)
    table.linear(f"{mlp}.down_proj", hidden, width, bias=decoder.mlp_bias)
    _norm(table, block, names.after_mlp, width)
    if decoder.qk_norm != "none":
        for name, over in zip(("q_norm", "k_norm"), decoder.qk_norm_widths, strict=True):
            table.norm(f"{attention}.{name}", over)
    if decoder.sub_norms:
        table.norm(f"{attention}.attn_sub_norm", all_qkv[0])
        table.norm(f"{mlp}.ffn_sub_norm", hidden)


def _norm(table: TableBuilder, block: str, name: str, width: int) -> None:
    if name:
        table.norm(f"{block}.{name}", width)

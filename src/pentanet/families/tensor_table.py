"""The tensors of a network, by name: what a packed file must hold for it."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import assert_never

from pentanet.families.gpt.config import GPTConfig
from pentanet.families.gpt2.config import GPT2Config
from pentanet.families.llama.config import LlamaConfig
from pentanet.families.registry import ModelConfig
from pentanet.linear_options import Activations, LowRank, low_rank_of


@dataclass(frozen=True, kw_only=True, slots=True)
class Place:
    """One tensor.

    Attributes:
        shape: as in the file; of a linear [outputs, inputs].
        plain: whether it must be stored as values, and not in codes.
        linear: whether it is the weight of a linear of a block, which is what methods quantize.
        bias: whether that linear has a bias, which is stored with its codes.
    """

    shape: tuple[int, ...]
    plain: bool = False
    linear: bool = False
    bias: bool = False


def places(
    config: ModelConfig, vocab: int, activations: Activations = "none", low_rank: LowRank = "none"
) -> dict[str, Place]:
    """Every tensor of a network, with what its linears have beside their weights.

    A tied head has no place of its own: it is the embedding.
    """
    found = _Places(activations, low_rank)
    match config:
        case LlamaConfig():
            _llama(found, config, vocab)
        case GPTConfig():
            _gpt(found, config, vocab)
        case GPT2Config():
            _gpt2(found, config, vocab)
        case _:
            assert_never(config)
    return found.places


def hub_shapes(config: ModelConfig, vocab: int) -> dict[str, tuple[int, ...]]:
    """Shapes of all tensors of a network in full precision, as Hugging Face names and stores them: biases are apart."""
    found: dict[str, tuple[int, ...]] = {}
    for name, place in places(config, vocab).items():
        found[name] = place.shape
        if place.bias:
            found[f"{name.removesuffix('.weight')}.bias"] = place.shape[:1]
    return found


def bias_of(name: str, shapes: Mapping[str, tuple[int, ...]]) -> str | None:
    """Name of the bias beside the weight of a linear, None where it has none."""
    bias = f"{name.removesuffix('.weight')}.bias"
    return bias if bias in shapes else None


def linear_names(config: ModelConfig, vocab: int) -> list[str]:
    """Names of the weights that are quantized: those of the linears of the blocks, in the order of the network."""
    return [name for name, place in places(config, vocab).items() if place.linear]


class _Places:
    def __init__(self, activations: Activations, low_rank: LowRank) -> None:
        self.places: dict[str, Place] = {}
        self._activations, self._low_rank = activations, low_rank

    def matrix(self, name: str, rows: int, cols: int) -> None:
        self.places[f"{name}.weight"] = Place(shape=(rows, cols))

    def linear(self, name: str, inputs: int, outputs: int, *, bias: bool = False) -> None:
        self.places[f"{name}.weight"] = Place(shape=(outputs, inputs), linear=True, bias=bias)
        if self._activations.startswith("elastic"):
            self._plain(f"{name}.inputs.log_step")
        if self._low_rank != "none":
            rank = low_rank_of(inputs)
            self._plain(f"{name}.low_rank.down", rank, inputs)
            self._plain(f"{name}.low_rank.up", outputs, rank)
            if self._low_rank == "gated":
                self._plain(f"{name}.low_rank.gate")

    def norm(self, name: str, width: int, *, bias: bool = False) -> None:
        for part in ("weight", "bias") if bias else ("weight",):
            self._plain(f"{name}.{part}", width)

    def positions(self, name: str, context: int, width: int) -> None:
        self._plain(f"{name}.weight", context, width)

    def _plain(self, name: str, *shape: int) -> None:
        self.places[name] = Place(shape=shape, plain=True)


def _llama(found: _Places, config: LlamaConfig, vocab: int) -> None:
    width, queries, keys = config.width, config.heads * config.head_width, config.kv_heads * config.head_width
    found.matrix("model.embed_tokens", vocab, width)
    for layer in range(config.layers):
        attention, mlp = f"model.layers.{layer}.self_attn", f"model.layers.{layer}.mlp"
        found.norm(f"model.layers.{layer}.input_layernorm", width)
        for part, outputs in (("q", queries), ("k", keys), ("v", keys)):
            found.linear(f"{attention}.{part}_proj", width, outputs, bias=config.qkv_bias)
        found.linear(f"{attention}.o_proj", queries, width)
        found.norm(f"model.layers.{layer}.post_attention_layernorm", width)
        for part in ("gate", "up"):
            found.linear(f"{mlp}.{part}_proj", width, config.hidden)
        found.linear(f"{mlp}.down_proj", config.hidden, width)
        if config.qk_norm:
            found.norm(f"{attention}.q_norm", config.head_width)
            found.norm(f"{attention}.k_norm", config.head_width)
        if config.sub_norms:
            found.norm(f"{attention}.attn_sub_norm", queries)
            found.norm(f"{mlp}.ffn_sub_norm", config.hidden)
    found.norm("model.norm", width)
    if not config.tie:
        found.matrix("lm_head", vocab, width)


def _gpt(found: _Places, config: GPTConfig, vocab: int) -> None:
    _gpt_blocks(found, config, vocab, 4 * config.width, bias=False)
    found.matrix("lm_head", vocab, config.width)  # on the grid, while the look-up is latent: stored twice


def _gpt2(found: _Places, config: GPT2Config, vocab: int) -> None:
    _gpt_blocks(found, config, vocab, config.hidden, bias=True)
    if not config.tie:
        found.matrix("lm_head", vocab, config.width)


def _gpt_blocks(found: _Places, config: GPTConfig | GPT2Config, vocab: int, hidden: int, *, bias: bool) -> None:
    width = config.width
    found.matrix("transformer.wte", vocab, width)
    found.positions("transformer.wpe", config.context, width)
    for layer in range(config.layers):
        block = f"transformer.h.{layer}"
        found.norm(f"{block}.ln_1", width, bias=bias)
        found.linear(f"{block}.attn.c_attn", width, 3 * width, bias=bias)
        found.linear(f"{block}.attn.c_proj", width, width, bias=bias)
        found.norm(f"{block}.ln_2", width, bias=bias)
        found.linear(f"{block}.mlp.c_fc", width, hidden, bias=bias)
        found.linear(f"{block}.mlp.c_proj", hidden, width, bias=bias)
    found.norm("transformer.ln_f", width, bias=bias)

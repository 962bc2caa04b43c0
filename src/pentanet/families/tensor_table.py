"""The tensors of a network, by name: what a packed file must hold for it."""

from __future__ import annotations

from collections.abc import Mapping

from pentanet.families.family import ModelConfig
from pentanet.families.registry import family_of
from pentanet.families.table_builder import Entry, TableBuilder
from pentanet.linear_options import Activations, LowRank


def tensor_table(
    config: ModelConfig, vocab: int, activations: Activations = "none", low_rank: LowRank = "none"
) -> dict[str, Entry]:
    """Every tensor of a network, with what its linears have beside their weights.

    A head that is stored once with the embedding has no entry of its own.
    """
    table = TableBuilder(activations, low_rank)
    family_of(config).tensors(table, config, vocab)
    return table.entries


def has_own_head(config: ModelConfig) -> bool:
    """Whether the file holds a head; False where the embedding is the head too."""
    return f"{family_of(config).head}.weight" in tensor_table(config, 1)


def hub_shapes(config: ModelConfig, vocab: int) -> dict[str, tuple[int, ...]]:
    """Shapes of all tensors of a network in full precision, as Hugging Face names and stores them: biases are apart."""
    found: dict[str, tuple[int, ...]] = {}
    for name, entry in tensor_table(config, vocab).items():
        found[name] = entry.shape
        if entry.bias:
            found[f"{name.removesuffix('.weight')}.bias"] = entry.shape[:1]
    return found


def bias_of(name: str, shapes: Mapping[str, tuple[int, ...]]) -> str | None:
    """Name of the bias beside the weight of a linear, None where it has none."""
    bias = f"{name.removesuffix('.weight')}.bias"
    return bias if bias in shapes else None


def linear_names(config: ModelConfig, vocab: int) -> list[str]:
    """Names of the weights that are quantized: those of the linears of the blocks, in the order of the network."""
    return [name for name, entry in tensor_table(config, vocab).items() if entry.linear]

"""What a linear may have beside its quantized weight; `pentanet.nn.input_rounding` and `pentanet.nn.low_rank` do it."""

from __future__ import annotations

from typing import Literal, get_args

Activations = Literal["none", "int8", "elastic8", "elastic2", "elastic1", "hadamard", "hadamard8"]
"""How it rounds its inputs, or rotates them first."""
LowRank = Literal["none", "gated", "plain"]
"""Whether a float path of low rank stands beside it, and whether a learned gate scales that."""

Rounding = Literal["int8", "int8x2", "adaptive"]
"""How activations become int8 when a model runs: once, twice, or twice where once would be coarse."""
RoundingChoice = Literal["auto", "int8", "int8x2", "adaptive"]
"""With "auto" for what the engine and the model make of it."""

ACTIVATIONS: tuple[Activations, ...] = get_args(Activations)
LOW_RANK: tuple[LowRank, ...] = get_args(LowRank)
ROUNDINGS: tuple[RoundingChoice, ...] = get_args(RoundingChoice)
INPUTS_PER_RANK = 128


def low_rank_of(inputs: int) -> int:
    """Rank of the path beside a linear with so many inputs."""
    return max(1, inputs // INPUTS_PER_RANK)

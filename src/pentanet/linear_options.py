"""Options of a linear besides its quantized weight; `pentanet.nn.input_rounding` and `.low_rank` carry them out."""

from __future__ import annotations

from typing import Literal, get_args

Activations = Literal["none", "int8", "elastic8", "elastic2", "elastic1", "hadamard", "hadamard8"]
"""Input transform of a linear: int8 and elasticN round, hadamard rotates, hadamard8 does both."""
LowRank = Literal["none", "gated", "plain"]
"""A low-rank float path parallel to a linear: none, one scaled by a learned gate, or a plain one."""

Rounding = Literal["int8", "int8x2", "adaptive"]
"""How activations become int8 when a model runs: once, twice, or twice where once would be coarse."""
RoundingChoice = Literal["auto", "int8", "int8x2", "adaptive"]
"""The same, or "auto": what the engine takes for a model."""

ACTIVATIONS: tuple[Activations, ...] = get_args(Activations)
LOW_RANK: tuple[LowRank, ...] = get_args(LowRank)
ROUNDINGS: tuple[RoundingChoice, ...] = get_args(RoundingChoice)
INPUTS_PER_RANK = 128


def low_rank_of(inputs: int) -> int:
    """Rank of the low-rank path of a linear with so many inputs."""
    return max(1, inputs // INPUTS_PER_RANK)

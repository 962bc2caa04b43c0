"""How a calibration goes through the blocks of a family: what it takes to compute one by itself."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import TYPE_CHECKING, Generic, TypeVar

if TYPE_CHECKING:
    from torch import Tensor, nn

    from pentanet.nn import WeightFactory

C = TypeVar("C")


@dataclass(frozen=True, kw_only=True, slots=True)
class Blocks(Generic[C]):
    """The blocks of a family, all alike, each with attention and an MLP between norms.

    Attributes:
        trunk: name of the list of blocks.
        stages: matrices of a block that share their inputs, in the order of the network: into attention and out of it,
            into the MLP and out of it. The outputs of the second and the fourth stage, of one matrix each, are added to
            the residual stream.
        parts: of a block, attention and then the MLP: the norm before it, its name, the norm of what is added to the
            residual stream; a name is empty where there is no such norm.
        empty: a block without its weights.
        beside: what attention takes beside its inputs, for windows of so many tokens, in a layer.
        scales: factors of the embedding and of what is added to the residual stream.
        positions: name of the learned positions, which are added to the embedding; empty for none.
    """

    trunk: str
    stages: tuple[tuple[str, ...], ...]
    parts: tuple[tuple[str, str, str], ...]
    empty: Callable[[C, WeightFactory], nn.Module]
    beside: Callable[[C, int, int], tuple[Tensor | None, ...]]
    scales: Callable[[C], tuple[float, float]]
    positions: str = ""

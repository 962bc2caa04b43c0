"""What a family must name so that its networks can be put into rotated coordinates."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Generic, TypeVar

C = TypeVar("C")


@dataclass(frozen=True, kw_only=True, slots=True)
class Rotation(Generic[C]):
    """The modules of a network with RMSNorm, by the last part of their names.

    Attributes:
        head_width: width of a head of attention.
        last_norm: whole name of the norm in front of the head.
        norms: all norms over the residual stream.
        norm_before: the norm of its block that each matrix reads.
        added: matrices whose outputs are added to the residual stream.
        values: the matrix that makes attention's values.
        mixes_values: the matrix that reads what attention made of them; one of `added`.
    """

    head_width: Callable[[C], int]
    last_norm: str
    norms: tuple[str, ...]
    norm_before: Mapping[str, str]
    added: tuple[str, ...]
    values: str
    mixes_values: str

"""What a family's pretrained models are like on Hugging Face: their config.json, and how they store tensors."""

from __future__ import annotations

import re
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any, Generic, TypeVar

C = TypeVar("C")


@dataclass(frozen=True, kw_only=True, slots=True)
class Checkpoints(Generic[C]):
    """Pretrained models of a family, to be quantized.

    Attributes:
        model_types: those of the family that are read.
        rounded: others of the family, whose training rounds the weights: `pentanet import` alone reads them.
        keys: the sizes of a network as a config.json of this model type has them.
        superseded: further keys of a config.json, whose meaning is in those of `keys` once they have been read.
        constants: matches tensors that older releases of transformers stored among the weights.
        transposed: matches matrices that are stored as [inputs, outputs]; None where none is.
        trunk: the first part of most names, which some files leave out; empty where none does.
    """

    model_types: tuple[str, ...]
    keys: Callable[[C, str], dict[str, Any]]
    superseded: tuple[str, ...]
    constants: re.Pattern[str]
    rounded: tuple[str, ...] = ()
    transposed: re.Pattern[str] | None = None
    trunk: str = ""

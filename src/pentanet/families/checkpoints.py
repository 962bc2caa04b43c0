"""What a family's pretrained models are like on Hugging Face: their config.json, and how they store tensors."""

from __future__ import annotations

import re
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Any


@dataclass(frozen=True, kw_only=True, slots=True)
class Checkpoints:
    """Pretrained models of a family, to be quantized.

    Attributes:
        model_types: those of the family that are read.
        complete: a config.json with what transformers takes a missing key for.
        constants: matches tensors that older releases of transformers stored among the weights.
        transposed: matches matrices that are stored as [inputs, outputs]; None where none is.
        trunk: the first part of most names, which some files leave out; empty where none does.
    """

    model_types: tuple[str, ...]
    complete: Callable[[Mapping[str, Any]], dict[str, Any]]
    constants: re.Pattern[str]
    transposed: re.Pattern[str] | None = None
    trunk: str = ""

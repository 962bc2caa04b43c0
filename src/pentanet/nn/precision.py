"""What matrix products are computed in."""

from __future__ import annotations

import contextlib
from contextlib import AbstractContextManager
from typing import Literal

import torch

from pentanet.errors import ConfigError
from pentanet.machine import multiplies_bfloat16

Precision = Literal["bfloat16", "float32"]
CPU = torch.device("cpu")


def resolve_precision(asked: str = "auto", device: torch.device = CPU) -> Precision:
    """What is asked for; "auto" is bfloat16 on a GPU or a processor that multiplies in it, and float32 elsewhere.

    Raises:
        ConfigError: no such precision.
    """
    if asked in ("bfloat16", "float32"):
        return asked
    if asked != "auto":
        raise ConfigError(f"precision '{asked}': must be auto, bfloat16 or float32")
    fast = torch.cuda.is_bf16_supported() if device.type == "cuda" else multiplies_bfloat16()
    return "bfloat16" if fast else "float32"


def autocast(device: torch.device, precision: Precision) -> AbstractContextManager[object]:
    """The context in which every forward pass runs: bfloat16 products if asked for, everything else in float32."""
    if precision == "float32":
        return contextlib.nullcontext()
    return torch.autocast(device.type, torch.bfloat16)

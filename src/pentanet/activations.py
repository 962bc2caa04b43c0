"""The ways in which linears may round their inputs; `pentanet.nn.activations` does it."""

from __future__ import annotations

from typing import Literal, get_args

Activations = Literal["none", "int8", "elastic8", "elastic2", "elastic1"]
ACTIVATIONS: tuple[Activations, ...] = get_args(Activations)

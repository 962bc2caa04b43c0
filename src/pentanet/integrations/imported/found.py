"""What is read out of another program's checkpoint, and the two kinds of tensors in it."""

from __future__ import annotations

from collections.abc import Callable, Collection, Mapping
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from pentanet.codes import Codes
from pentanet.families import ModelConfig
from pentanet.families.tensor_table import tensor_table
from pentanet.format import layouts
from pentanet.format.tensors import Coded, Plain, Tensor, from_bfloat16, to_bfloat16
from pentanet.linear_options import Activations


@dataclass(frozen=True, kw_only=True, slots=True)
class Found:
    """A checkpoint, ready to be written as a model directory.

    Attributes:
        kind: what it was found to be, in words.
        exact: whether the levels and scales are those of the files; False where masters were rounded.
        config: its config.json, canonical and without quantization_config.
        tensors: in file order.
        method: name of the weight method.
        activations: how its linears round their inputs.
        files: what lies beside the weights, by name.
        facts: what it says of itself, for the card.
    """

    kind: str
    exact: bool = True
    config: Mapping[str, Any]
    tensors: Mapping[str, Tensor]
    method: str
    activations: Activations
    files: Mapping[str, bytes]
    facts: Mapping[str, str]


def assemble(
    config: ModelConfig,
    vocab: int,
    *,
    codes: Callable[[str, tuple[int, ...]], Codes],
    values: Callable[[str, tuple[int, ...]], NDArray[np.float32]],
    also_coded: Collection[str] = (),
) -> dict[str, Tensor]:
    """The tensors of a network, linears in codes and everything else in floats.

    Args:
        config, vocab: sizes of the network.
        codes: of the weight of a linear, by name and shape.
        values: of another tensor, or of the bias of a linear, by name and shape.
        also_coded: further matrices that are stored in codes.
    """
    tensors: dict[str, Tensor] = {}
    for name, entry in tensor_table(config, vocab).items():
        if not entry.linear and name not in also_coded:
            tensors[name] = plain(values(name, entry.shape))
            continue
        made = codes(name, entry.shape)
        if entry.bias:
            made = made.plus_bias(values(f"{name.removesuffix('.weight')}.bias", entry.shape[:1]))
        tensors[name] = Coded(made, layouts.densest_layout(made))
    return tensors


def plain(values: NDArray[np.float32]) -> Plain:
    """In bfloat16 if that holds every value."""
    exact = np.array_equal(from_bfloat16(to_bfloat16(values)), values) and values.ndim == 2
    return Plain(np.ascontiguousarray(values), "bfloat16" if exact else "float32")

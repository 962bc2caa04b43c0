"""The methods by name."""

from __future__ import annotations

from collections.abc import Mapping
from types import MappingProxyType

from pentanet.errors import UnknownNameError
from pentanet.quant.base import Quantizer
from pentanet.quant.method import Method
from pentanet.quant.methods import (
    binary,
    bitnet_b158,
    bitnet_seed,
    bitnet_seed_rescaled,
    full_precision,
    full_precision_shrunk,
    hestia_pentanary,
    hestia_ternary,
    hgf,
    hgf_ungated,
    int4,
    lsq_pentanary,
    lsq_quaternary,
    lsq_septenary,
    lsq_ternary,
    paretoq_seq,
    paretoq_ternary,
    pentanary,
    pentanary_learned,
    pentanary_mix,
    pentanary_row_absmean,
    pentanary_tensor_optimum,
    pentanet_seed,
    quaternary,
    quest_hadamard_pentanary,
    quest_hadamard_ternary,
    quest_pentanary,
    quest_ternary,
    septenary,
    sherry,
    sherry_mix,
    sherry_plain,
    tbt_binary,
    tbt_ternary,
    tequila,
    ternary,
    ternary_row_absmean,
    ternary_tensor_optimum,
    trilm,
)

_MODULES = (
    full_precision,
    bitnet_seed,
    pentanet_seed,
    ternary,
    pentanary,
    binary,
    septenary,
    ternary_row_absmean,
    ternary_tensor_optimum,
    pentanary_row_absmean,
    pentanary_tensor_optimum,
    pentanary_mix,
    pentanary_learned,
    bitnet_b158,
    trilm,
    tbt_ternary,
    tbt_binary,
    tequila,
    sherry,
    sherry_mix,
    sherry_plain,
    lsq_ternary,
    lsq_quaternary,
    lsq_pentanary,
    lsq_septenary,
    paretoq_seq,
    paretoq_ternary,
    quest_ternary,
    quest_pentanary,
    quest_hadamard_ternary,
    quest_hadamard_pentanary,
    hestia_ternary,
    hestia_pentanary,
    hgf,
    hgf_ungated,
    quaternary,
    int4,
    full_precision_shrunk,
    bitnet_seed_rescaled,
)

METHODS: Mapping[str, Method] = MappingProxyType({m.METHOD.name: m.METHOD for m in _MODULES})


def method(name: str) -> Method:
    """Look a method up by name.

    Raises:
        UnknownNameError: no such method; names the nearest one.
    """
    if name not in METHODS:
        raise UnknownNameError("method", name, METHODS)
    return METHODS[name]


def quantizer(name: str) -> Quantizer:
    """A fresh quantizer of the method `name`, for one weight."""
    return method(name).make()

"""The methods by name."""

from __future__ import annotations

from collections.abc import Mapping
from types import MappingProxyType

from pentanet.errors import UnknownNameError
from pentanet.quant.base import Quantizer
from pentanet.quant.method import Method
from pentanet.quant.methods import (
    binary,
    bitnet_seed,
    full_precision,
    lsq_pentanary,
    pentanary,
    pentanet_seed,
    septenary,
    ternary,
)

_MODULES = (full_precision, bitnet_seed, pentanet_seed, ternary, pentanary, binary, septenary, lsq_pentanary)

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

"""The methods by name: ours, one file each in `quant/methods`, and those that others register."""

from __future__ import annotations

import importlib
import pkgutil
import re
from collections.abc import Iterable, Iterator, Mapping
from types import MappingProxyType

from pentanet.errors import ConfigError, UnknownNameError
from pentanet.grid import GRIDS
from pentanet.quant import methods
from pentanet.quant.base import Quantizer
from pentanet.quant.contract import check
from pentanet.quant.method import Method

NAME = re.compile(r"[a-z0-9]+(-[a-z0-9]+)*")


def discover(package: str, path: Iterable[str]) -> Iterator[Method]:
    """The METHODS of every file in the folders `path` of `package`, by file name.

    A new file needs no mention anywhere else.
    """
    for found in sorted(pkgutil.iter_modules(path), key=lambda module: module.name):
        yield from importlib.import_module(f"{package}.{found.name}").METHODS


_known: dict[str, Method] = {found.name: found for found in discover(methods.__name__, methods.__path__)}
METHODS: Mapping[str, Method] = MappingProxyType(_known)


def register(method: Method) -> None:
    """Add a method: from here on its name works wherever one of ours does.

    Do it where your package is imported, before a configuration names the method.  A packed model does not need it:
    what it holds are levels and scales.

    Raises:
        ConfigError: the name is taken or would be no folder's name, no file can hold the grid, or the quantizer breaks
            the contract (`pentanet.quant.contract`).
    """
    if not NAME.fullmatch(method.name):
        raise ConfigError(f"method '{method.name}': a name has small letters, digits and single hyphens")
    if method.name in _known:
        raise ConfigError(f"method '{method.name}': the name is taken; choose another one")
    if method.grid is not None and method.grid not in GRIDS.values():
        raise ConfigError(f"method '{method.name}': the file format has the grids {', '.join(GRIDS)}, and no others")
    check(method)
    _known[method.name] = method


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

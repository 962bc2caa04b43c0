"""The package gguf, which is an extra."""

from __future__ import annotations

import importlib
from typing import Any

from pentanet.errors import MissingExtraError


def load() -> Any:
    """The package gguf.

    Raises:
        MissingExtraError: it is not installed.
    """
    try:
        return importlib.import_module("gguf")
    except ModuleNotFoundError:
        raise MissingExtraError("gguf", "gguf", "reading and writing GGUF") from None

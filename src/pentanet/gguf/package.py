"""The package gguf, which is an extra."""

from __future__ import annotations

import importlib
from typing import Any

from pentanet.errors import MissingExtraError


def load(extra: str = "gguf", why: str = "reading and writing GGUF") -> Any:
    """The package gguf, which an extra has that a user needs for something.

    Raises:
        MissingExtraError: it is not installed.
    """
    try:
        return importlib.import_module("gguf")
    except ModuleNotFoundError:
        raise MissingExtraError("gguf", extra, why) from None


def write(writer: Any) -> None:
    """Write the file of a gguf.GGUFWriter that everything was added to, and close it.  Raises OSError."""
    writer.write_header_to_file()
    writer.write_kv_data_to_file()
    writer.write_tensors_to_file()
    writer.close()

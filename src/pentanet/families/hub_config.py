"""Sizes of a network from a config.json, which comes from outside and is not believed."""

from __future__ import annotations

import typing
from collections.abc import Mapping
from typing import Any, TypeVar

from pentanet.config import convert
from pentanet.errors import ConfigError

T = TypeVar("T")


def from_hub(kind: type[T], config: Mapping[str, Any], keys: Mapping[str, str], **fixed: Any) -> T:
    """Build the dataclass `kind` from the values that `keys` names, by field.

    Raises:
        ConfigError: a key that is missing, or a value of the wrong type or out of range.
    """
    hints = typing.get_type_hints(kind)
    for key in keys.values():
        if key not in config:
            raise ConfigError(f"config.json: '{key}' is missing")
    return kind(**fixed, **{f: convert(hints[f], config[key], f"config.json: {key}") for f, key in keys.items()})

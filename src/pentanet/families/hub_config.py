"""Sizes of a network from a config.json, which comes from outside and is not believed."""

from __future__ import annotations

import typing
from collections.abc import Mapping
from dataclasses import fields
from typing import Any, TypeVar

from pentanet.config import convert
from pentanet.errors import ConfigError

T = TypeVar("T")
MAX_LAYERS = 1 << 12
MAX_CONTEXT = 1 << 20
MAX_SIZE = 1 << 31
MAX_TABLE = 1 << 27
"""Largest head width times context: the rotary table of a head of 128 over a million tokens."""


def from_hub(kind: type[T], config: Mapping[str, Any], keys: Mapping[str, str], **fixed: Any) -> T:
    """Build the dataclass `kind` from the values that `keys` names, by field.

    Raises:
        ConfigError: a key that is missing, or a value of the wrong type or out of range.
    """
    hints = typing.get_type_hints(kind)
    for key in keys.values():
        if key not in config:
            raise ConfigError(f"config.json: '{key}' is missing")
    found = kind(**fixed, **{f: convert(hints[f], config[key], f"config.json: {key}") for f, key in keys.items()})
    for field in fields(typing.cast("Any", kind)):
        _require_below(field.name, keys.get(field.name, field.name), getattr(found, field.name))
    return found


def require_table(context: int, head_width: int) -> None:
    """Raise ConfigError for a rotary table that would take gigabytes."""
    if context * head_width > MAX_TABLE:
        raise ConfigError(
            f"config.json: max_position_embeddings {context} with heads of {head_width}: their product is above "
            f"{MAX_TABLE}, more than any network here can have"
        )


def _require_below(field: str, key: str, value: object) -> None:
    most = {"layers": MAX_LAYERS, "context": MAX_CONTEXT}.get(field, MAX_SIZE)
    if isinstance(value, int) and value > most:
        unit = {"layers": " layers", "context": " tokens of context"}.get(field, "")
        raise ConfigError(f"config.json: {key}: more than {most}{unit}, which no network here can have")

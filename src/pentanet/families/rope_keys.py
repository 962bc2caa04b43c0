"""Rotary positions as a config.json has them, with the precedence and the defaults of transformers 5."""

from __future__ import annotations

import dataclasses
import math
from collections.abc import Mapping
from typing import Any, cast

from pentanet.config import convert
from pentanet.errors import ConfigError
from pentanet.families.rope import PlainRope, Rope

ROPE_KEYS = (
    "rope_parameters", "rope_scaling", "rope_theta", "original_max_position_embeddings", "partial_rotary_factor"
)  # fmt: skip
"""Every key of a config.json that the rotary positions depend on."""
_ORIGINAL = "original_max_position_embeddings"
_NEEDED: Mapping[str, tuple[str, ...]] = {
    "linear": ("factor",),
    "llama3": ("factor", "low_freq_factor", "high_freq_factor"),
    "yarn": ("factor",),
}


def read_rope(config: Mapping[str, Any], theta: float) -> tuple[float, Rope]:
    """Base of the frequencies, and how they are stretched.

    `rope_scaling` comes before `rope_parameters`, and the base in that table before `rope_theta` beside it; the
    context of the training is that of the model where none is named.

    Args:
        config: the config.json.
        theta: the base where none is named.

    Raises:
        ConfigError: a wrong value, or a way to stretch that there is not here.
    """
    key = "rope_scaling" if config.get("rope_scaling") not in (None, {}) else "rope_parameters"
    found = config.get(key)
    if found is None:
        found = {}
    if not isinstance(found, Mapping):
        raise ConfigError(f"config.json: {key}: expected a table, got {found!r:.80}")
    table = dict(cast("Mapping[str, Any]", found))
    for place, where in ((table, f"config.json: {key}: "), (config, "config.json: ")):
        if place.get("partial_rotary_factor") not in (None, 1):
            raise ConfigError(f"{where}partial_rotary_factor: rotating a part of each head is not supported")
    table.pop("partial_rotary_factor", None)
    first_name = table.pop("type", "default")
    kind = table.setdefault("rope_type", first_name)
    at = f"config.json: {key}: rope_theta" if "rope_theta" in table else "config.json: rope_theta"
    theta = convert(float, table.pop("rope_theta", config.get("rope_theta", theta)), at)
    for needed in _NEEDED.get(kind, ()) if isinstance(kind, str) else ():
        if table.get(needed) is None:
            raise ConfigError(f"config.json: {key}: {kind} needs '{needed}'")
    if kind in ("llama3", "yarn"):
        length = config["max_position_embeddings"]
        # Beside the table it wins over the one inside.
        table[_ORIGINAL] = config.get(_ORIGINAL, table.get(_ORIGINAL, length))
    if kind == "yarn":
        _yarn(table, f"config.json: {key}")
    return theta, convert(Rope, table, f"config.json: {key}")


def rope_keys(theta: float, rope: Rope) -> dict[str, Any]:
    """The keys of transformers 4, which version 5 and other programs read too."""
    if isinstance(rope, PlainRope):
        return {"rope_theta": theta}
    scaling = dataclasses.asdict(rope)
    if scaling.get("attention_factor") == 0:
        del scaling["attention_factor"]
    return {"rope_theta": theta, "rope_scaling": scaling}


def _yarn(table: dict[str, Any], where: str) -> None:
    """Put in place what may be left open: 0 stands for the usual turns, two sizes for the factor between them."""
    for name in ("beta_fast", "beta_slow"):
        if table.get(name, 1) in (None, 0):
            del table[name]
    if table.get("truncate", True) is not True:
        raise ConfigError(f"{where}: truncate: bounds that are no whole pairs are not supported")
    table.pop("truncate", None)
    sizes = [table.pop(name, None) or 0.0 for name in ("mscale", "mscale_all_dim")]
    if table.get("attention_factor") is None:
        table.pop("attention_factor", None)
        above, below = (convert(float, size, f"{where}: mscale") for size in sizes)
        factor = convert(float, table["factor"], f"{where}: factor")
        if above and below and 1 < factor < math.inf:
            table["attention_factor"] = (0.1 * above * math.log(factor) + 1) / (0.1 * below * math.log(factor) + 1)
        elif above and below:
            table["attention_factor"] = 1.0
    elif table["attention_factor"] == 0:
        raise ConfigError(f"{where}: attention_factor 0 would leave no attention at all")

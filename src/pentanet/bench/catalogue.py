"""What the methods of a suite are, without training them."""

from __future__ import annotations

from collections.abc import Iterable
from typing import Any

from pentanet.format.layouts import default_layout, layout
from pentanet.quant import method

PLAIN_BITS = 16.0  # full precision is stored in bfloat16


def describe(names: Iterable[str]) -> list[dict[str, Any]]:
    """Name, title, paper, grid, granularity, bits, layout and activations of each method, as JSON can hold them.

    `bits` is log2 of the number of levels, `stored_bits` what the densest layout takes per weight, without scales.

    Raises:
        UnknownNameError: no such method.
    """
    return [_row(name) for name in names]


def _row(name: str) -> dict[str, Any]:
    found = method(name)
    row: dict[str, Any] = {"name": name, "title": found.title, "paper": found.paper, "activations": found.activations}
    if found.grid is None or found.granularity is None:
        return {**row, "grid": None, "levels": None, "granularity": None, "bits": PLAIN_BITS, "stored_bits": PLAIN_BITS}
    stored = layout(default_layout(found.grid))
    return {
        **row,
        "grid": found.grid.name,
        "levels": list(found.grid.levels),
        "granularity": found.granularity.name,
        "bits": found.grid.bits,
        "stored_bits": stored.bits_per_weight,
    }

"""What it costs to do without multiplication: the sets that add, shift and look up, beside the one in use."""

from __future__ import annotations

from typing import Any

from pentanet.kernels import native
from pentanet.speed.layouts import Row


def instruction_set(in_use: str) -> str | None:
    """The fastest set without multiplication that this machine has; None where it is the one in use."""
    from pentanet import _native

    found = [isa for isa in _native.supported_isas() if native.is_multiplier_free(isa)]
    return None if native.is_multiplier_free(in_use) else found[-1]


def beside(isa: str, row: Row, used: Row) -> dict[str, Any]:
    """A row of the set `isa` as it stands in the JSON, with how fast it is beside the set in use.

    Args:
        isa: a set without multiplication.
        row: its measurement.
        used: the same measurement of the set in use.

    Returns:
        The keys of Row, and `instruction_set` and `ratio`: weights per second of `row` over those of `used`, each
        taken as a share of the limit in its own rounds.
    """
    ratio = row.fraction / used.fraction
    if row.tokens == 1:  # a fraction of the bytes that can be read
        ratio *= used.bits / row.bits
    return {**row.to_dict(), "instruction_set": isa, "ratio": ratio}

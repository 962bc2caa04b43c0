"""A measurement is a number, or an error."""

from __future__ import annotations

import math

from pentanet.errors import NonFiniteActivationError


def require_finite(measured: float, what: str) -> None:
    """Raises NonFiniteActivationError, naming what was measured, for NaN and infinities."""
    if not math.isfinite(measured):
        raise NonFiniteActivationError(
            f"{what} is {measured}: activations of the model are NaN or infinite. Pack or quantize it again."
        )

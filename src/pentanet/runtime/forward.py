"""One call of a session of the native engine, with its errors by name."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING

import numpy as np
from numpy.typing import NDArray

from pentanet.errors import ConfigError, NonFiniteActivationError

if TYPE_CHECKING:
    from pentanet._native import Session


def forward(
    session: Session, ids: NDArray[np.int32], parts: Sequence[tuple[int, int]], *, every: bool = False
) -> NDArray[np.float32]:
    """Append tokens to sequences: logits [parts, vocab] after each part, or [tokens, vocab] after every token.

    Args:
        ids: int32 [tokens], part after part.
        parts: (sequence, number of tokens).

    Raises:
        ConfigError: a sequence or a token that there is not, or more than the context.
        NonFiniteActivationError: an activation is NaN or infinite; truncate the sequences before the next call.
    """
    try:
        return session.forward(ids, parts, every=every)
    except ValueError as error:
        raise ConfigError(str(error)) from error
    except OverflowError as error:
        raise NonFiniteActivationError(
            f"{error}: the weights of this model make numbers that float32 cannot hold. Pack or quantize it again."
        ) from error

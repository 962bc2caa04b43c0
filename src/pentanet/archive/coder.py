"""Integers in as few bytes as their statistics allow: an adaptive arithmetic code, natively.

An integer is its place in a window of 2^d - 1 integers (d from 1 to 8, whatever is shortest), or an escape and the
distance to the window, so that any grid and any integer can be coded.  The bits of the place, highest first, each have
a probability that learns from the bits before it: an order-0 code without tables.  Three things may choose among sets
of probabilities: a context that the caller knows, how large the integers of the row have been, and how large those
above have been.  docs/archive.md has the specification.
"""

from __future__ import annotations

from typing import Any

import numpy as np
from numpy.typing import NDArray

from pentanet.errors import ArchiveError
from pentanet.kernels import native

LARGEST = 1 << 60
"""Of the integers that can be coded, by magnitude."""
_NATIVE = (np.dtype(np.int8), np.dtype(np.uint8), np.dtype(np.int64))
Context = NDArray[np.uint8] | None


def encode(levels: NDArray[Any], *, context: Context = None, rows: bool = False, columns: bool = False) -> bytes:
    """Encode a matrix of integers.

    Args:
        levels: [rows, cols] of any integer type, each at most 2^60 by magnitude.
        context: uint8 [rows, cols], which the decoder is given too: integers of one context share probabilities.
        rows: let probabilities depend on how large the integers of the row have been.
        columns: let them depend on how large those above have been.

    Raises:
        ArchiveError: an integer that is too large.
        EngineError: the native engine was not compiled.
    """
    native.require()
    from pentanet import _native

    matrix = np.ascontiguousarray(levels if levels.dtype in _NATIVE else levels.astype(np.int64))
    try:
        return _native.encode_levels(matrix, context, rows=rows, columns=columns)
    except ValueError as error:
        raise ArchiveError(f"cannot be archived: {error}") from None


def decode(
    data: bytes | NDArray[np.uint8], shape: tuple[int, int], dtype: type[np.integer[Any]], *, context: Context = None
) -> NDArray[Any]:
    """Decode what `encode` made.

    Args:
        data: all of its bytes, and no others.
        shape: (rows, cols), as it was encoded.
        dtype: int8, uint8 or int64.
        context: as it was encoded.

    Raises:
        ArchiveError: bytes that no encoder writes.  Most damage makes other integers instead: compare a checksum.
        EngineError: the native engine was not compiled.
    """
    native.require()
    from pentanet import _native

    out = np.empty(shape, dtype)
    raw = np.frombuffer(data, np.uint8) if isinstance(data, bytes) else data
    try:
        _native.decode_levels(raw, out, context)
    except ValueError as error:
        raise ArchiveError(f"damaged: {error}") from None
    return out

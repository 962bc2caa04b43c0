"""Windows of a token stream, for training and for evaluation.

A window of context T is T + 1 tokens: inputs x = t[i : i+T] and targets y = t[i+1 : i+T+1]. Which windows come, and in
what order, depends on the stream's length, the sizes and the seed alone, so every method trained with a seed sees the
same batches. numpy's RandomState is used because its numbers are frozen for good.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import Any

import numpy as np
from numpy.typing import NDArray

from pentanet.data.dataset import TokenStream
from pentanet.errors import CheckpointError, ConfigError, TextTooShortError

_REDRAW = 1 << 20

Batch = tuple[NDArray[np.int64], NDArray[np.int64]]


class _Cursor:
    """What both kinds of windows share: sizes, and a position, counted in windows, that JSON can hold."""

    kind: str

    def __init__(self, stream: TokenStream, batch: int, context: int, seed: int) -> None:
        if batch < 1 or context < 1:
            raise ConfigError(f"batch {batch} and context {context} must both be at least 1")
        _require_window(stream, context)
        self._stream = stream
        self._batch = batch
        self._context = context
        self._seed = seed
        self._drawn: int = 0

    def state(self) -> dict[str, Any]:
        """The position, and what it is a position in."""
        return {**self._identity(), "drawn": self._drawn}

    def restore(self, state: Mapping[str, Any]) -> None:
        """Return to a position; raises CheckpointError if it belongs to other windows."""
        for key, mine in self._identity().items():
            if state.get(key) != mine:
                found = f"{key} was {state.get(key)!r} and is now {mine!r}"
                raise CheckpointError(f"{self._stream.name}: the saved position is of another run: {found}")
        drawn = state.get("drawn")
        if not isinstance(drawn, int) or drawn < 0:
            raise CheckpointError(f"{self._stream.name}: the saved position {drawn!r} is not a number of windows")
        self._drawn = drawn

    def _identity(self) -> dict[str, Any]:
        sizes = {"batch": self._batch, "context": self._context, "tokens": len(self._stream)}
        return {"kind": self.kind, "seed": self._seed, **sizes}


class RandomWindows(_Cursor):
    """Windows at random places, with replacement: the publication's RandomState(seed).randint(0, n - T, batch).

    Args:
        skip: batches that are drawn and left out after the first, and after each `every` more.  The publication's
            evaluations draw them from the training windows.
    """

    kind = "random"

    def __init__(
        self, stream: TokenStream, batch: int, context: int, seed: int, *, skip: int = 0, every: int = 1
    ) -> None:
        super().__init__(stream, batch, context, seed)
        self._random = np.random.RandomState(seed)
        self._skip, self._every = skip, every

    def next(self) -> Batch:
        """The next x and y, int64 [batch, context] each."""
        starts = self._draw(self._batch)
        before = self._skipped()
        self._drawn += self._batch
        self._draw(self._skipped() - before)
        return _windows(self._stream, starts, self._context)

    def restore(self, state: Mapping[str, Any]) -> None:
        """Return to a position by drawing again what was drawn before it: 10 ns a window."""
        super().restore(state)
        self._random = np.random.RandomState(self._seed)
        drawn = self._drawn + self._skipped()
        for done in range(0, drawn, _REDRAW):
            self._draw(min(_REDRAW, drawn - done))

    def _identity(self) -> dict[str, Any]:
        gaps = {"skip": self._skip, "every": self._every} if self._skip else {}
        return {**super()._identity(), **gaps}

    def _skipped(self) -> int:
        """Windows that were left out so far."""
        gaps = -(-(self._drawn // self._batch) // self._every)
        return gaps * self._skip * self._batch

    def _draw(self, count: int) -> NDArray[np.int64]:
        return self._random.randint(0, len(self._stream) - self._context, count)


class EpochWindows(_Cursor):
    """Windows side by side, shuffled anew each epoch; a batch may span two epochs, so that none is left out."""

    kind = "epoch"

    def __init__(self, stream: TokenStream, batch: int, context: int, seed: int) -> None:
        super().__init__(stream, batch, context, seed)
        self._order: tuple[int, NDArray[np.int64]] | None = None

    @property
    def per_epoch(self) -> int:
        """Windows in an epoch; fewer than `context` tokens at the end of the stream are in none."""
        return (len(self._stream) - 1) // self._context

    def next(self) -> Batch:
        """The next x and y, int64 [batch, context] each."""
        places = range(self._drawn, self._drawn + self._batch)
        starts = np.array([self._permutation(place // self.per_epoch)[place % self.per_epoch] for place in places])
        self._drawn += self._batch
        return _windows(self._stream, starts * self._context, self._context)

    def _permutation(self, epoch: int) -> NDArray[np.int64]:
        if self._order is None or self._order[0] != epoch:
            random = np.random.RandomState([self._seed, epoch])
            self._order = (epoch, random.permutation(self.per_epoch))
        return self._order[1]


def evaluation_windows(
    stream: TokenStream, context: int, batch: int = 8
) -> Iterator[tuple[NDArray[np.int64], NDArray[np.int64], NDArray[np.bool_]]]:
    """Yield windows side by side, in order: every token but the first is a target exactly once.

    Returns:
        x, y, mask: [rows, context] each, rows <= batch. The last window is filled up with zeros where the stream
        ends; mask is False there.
    """
    _require_window(stream, 1)
    targets = len(stream) - 1
    for first in range(0, targets, batch * context):
        last = min(first + batch * context, targets)
        rows = -(-(last - first) // context)
        x = np.zeros(rows * context, np.int64)
        y = np.zeros(rows * context, np.int64)
        x[: last - first] = stream.tokens[first:last]
        y[: last - first] = stream.tokens[first + 1 : last + 1]
        mask = np.arange(rows * context) < last - first
        yield x.reshape(rows, context), y.reshape(rows, context), mask.reshape(rows, context)


def _windows(stream: TokenStream, starts: NDArray[np.int64], context: int) -> Batch:
    both = np.stack([stream.tokens[i : i + context + 1] for i in starts]).astype(np.int64)
    return both[:, :-1], both[:, 1:]


def _require_window(stream: TokenStream, context: int) -> None:
    if len(stream) <= context:
        need = f"one window of context {context} needs {context + 1}"
        raise TextTooShortError(f"{stream.name}: {len(stream)} tokens, but {need}: shorten the context or add text")

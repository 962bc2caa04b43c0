"""Several matrices at a time, each by one thread.

torch shares out sums in another way on more threads, so that a matrix would come out differently by a last bit.  Work
that goes through here sees one thread of torch, however many matrices are worked on: the bytes are the same.

Memory is that of one large matrix and not of as many as there are workers: pieces of work have sizes, and those that
are worked on together take no more than the largest alone.
"""

from __future__ import annotations

import threading
from collections.abc import Callable, Generator, Iterable, Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from typing import TypeVar

import torch

from pentanet.errors import ConfigError
from pentanet.machine import shared_heap

BESIDE = 40 << 20  # bytes that a piece takes beside its own: a thread's stack, blocks of rows, what the heap keeps

T = TypeVar("T")
R = TypeVar("R")


class Workers:
    """Threads that take one piece of work after the other.

    Args:
        count: how many; 1 works in the calling thread.

    Raises:
        ConfigError: none at all.
    """

    def __init__(self, count: int) -> None:
        if count < 1:
            raise ConfigError(f"workers {count}: must be at least 1")
        self.count = count

    def map(self, work: Callable[[T], R], items: Iterable[T], size: Callable[[T], int] | None = None) -> Iterator[R]:
        """Results in the order of the items.

        After an error, of the work or of whoever takes the results, no further piece is begun, and those that were
        begun are finished.

        Args:
            work: what to do with an item.
            items: the pieces.
            size: of an item in bytes: a large one is worked on alone, and small ones side by side; None for no such
                bound.
        """
        if self.count == 1:
            for item in items:
                with _one_thread():
                    found = work(item)
                yield found
            return
        pieces = list(items)
        taken = [size(item) + BESIDE if size else 0 for item in pieces]
        room = _Budget(max(taken, default=0))

        def fitting(item: T, bytes_taken: int) -> R:
            with room.take(bytes_taken):
                return work(item)

        count = min(self.count, max(taken, default=0) // BESIDE) if size and pieces else self.count
        pool = ThreadPoolExecutor(count, initializer=torch.set_num_threads, initargs=(1,))
        with shared_heap(), _one_thread(), pool:
            waiting = [pool.submit(fitting, *piece) for piece in zip(pieces, taken, strict=True)]
            try:
                for future in waiting:
                    yield future.result()
            finally:
                pool.shutdown(wait=False, cancel_futures=True)


class _Budget:
    """A budget, of bytes for example, that threads share.

    First come, first served, so that a large request is not starved by small ones.

    Args:
        size: of the budget; no request is larger.
    """

    def __init__(self, size: int) -> None:
        self._left = size
        self._changed, self._lock = threading.Condition(), threading.Lock()

    @contextmanager
    def take(self, size: int) -> Generator[None]:
        """Wait until so much is left, and hold it."""
        with self._lock, self._changed:
            self._changed.wait_for(lambda: size <= self._left)
            self._left -= size
        try:
            yield
        finally:
            with self._changed:
                self._left += size
                self._changed.notify()


@contextmanager
def _one_thread() -> Generator[None]:
    before = torch.get_num_threads()
    torch.set_num_threads(1)
    try:
        yield
    finally:
        torch.set_num_threads(before)

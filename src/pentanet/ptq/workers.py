"""Several matrices at a time, each by one thread.

torch shares out sums in another way on more threads, so that a matrix would come out differently by a last bit.  Work
that goes through here sees one thread of torch, however many matrices are worked on: the bytes are the same.
"""

from __future__ import annotations

from collections.abc import Callable, Generator, Iterable, Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from typing import TypeVar

import torch

from pentanet.errors import ConfigError

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

    def map(self, work: Callable[[T], R], items: Iterable[T]) -> Iterator[R]:
        """Results in the order of the items.

        After an error, of the work or of whoever takes the results, no further piece is begun, and those that were
        begun are finished.
        """
        if self.count == 1:
            for item in items:
                with _one_thread():
                    found = work(item)
                yield found
            return
        with _one_thread(), ThreadPoolExecutor(self.count, initializer=torch.set_num_threads, initargs=(1,)) as pool:
            waiting = [pool.submit(work, item) for item in items]
            try:
                for future in waiting:
                    yield future.result()
            finally:
                pool.shutdown(wait=False, cancel_futures=True)


@contextmanager
def _one_thread() -> Generator[None]:
    before = torch.get_num_threads()
    torch.set_num_threads(1)
    try:
        yield
    finally:
        torch.set_num_threads(before)

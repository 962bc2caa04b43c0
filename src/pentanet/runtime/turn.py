"""One user at a time: the guard of what native code must not do twice at once."""

from __future__ import annotations

import os
import threading
from types import TracebackType

from pentanet.errors import EngineError


class Turn:
    """A context manager around each call into a native session.

    A session keeps its keys and values in place, so a second thread in the middle of a call would read half of them.
    Its worker threads do not exist after a fork, so a call would wait for them forever.  Both are refused.

    Raises:
        EngineError: on entry, while another thread is inside, in a process forked since, or after `close`.
    """

    def __init__(self) -> None:
        self._lock = threading.Lock()
        self._process = os.getpid()
        self._closed = False

    def close(self) -> None:
        """Refuse every later call."""
        self._closed = True

    def __enter__(self) -> None:
        if os.getpid() != self._process:
            raise EngineError("the engine was opened before a fork, and its threads are gone: open the model after it")
        if not self._lock.acquire(blocking=False):
            raise EngineError(
                "another thread is using this engine: open one engine for each thread, or take generate_batch"
            )
        if self._closed:  # asked inside: another thread may have closed it just before
            self._lock.release()
            raise EngineError("the engine is closed: open the model again")

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, traceback: TracebackType | None
    ) -> None:
        self._lock.release()

"""One process at a time in a run directory: two would write into each other's logs."""

from __future__ import annotations

import sys
import time
from collections.abc import Generator
from contextlib import contextmanager
from pathlib import Path

from pentanet.errors import CheckpointError

PATIENCE = 10.0  # seconds; what a worker needs to save and leave after its bench was killed


@contextmanager
def lock(path: Path) -> Generator[None]:
    """Hold the lock file `path` while the block runs; the system lets go of it when the process ends, however it ends.

    Raises:
        CheckpointError: another process holds it, and still does after `PATIENCE`.
    """
    if sys.platform == "win32":
        yield
        return
    import fcntl

    limit = time.monotonic() + PATIENCE
    with path.open("ab") as file:
        while True:
            try:
                fcntl.flock(file, fcntl.LOCK_EX | fcntl.LOCK_NB)
                break
            except BlockingIOError:
                if time.monotonic() > limit:
                    raise CheckpointError(
                        f"{path.parent}: another process is training here; stop it, or choose another --out"
                    ) from None
                time.sleep(0.05)
            except OSError:  # a file system without locks
                break
        yield

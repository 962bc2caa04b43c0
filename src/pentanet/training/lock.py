"""One process at a time in a run directory: two would write into each other's logs."""

from __future__ import annotations

import errno
from collections.abc import Generator
from contextlib import contextmanager
from pathlib import Path

from filelock import FileLock, Timeout

from pentanet.errors import CheckpointError, WriteError

PATIENCE = 10.0  # seconds; what a worker needs to save and leave after its bench was killed
WITHOUT_LOCKS = (errno.ENOLCK, errno.ENOSYS, errno.EOPNOTSUPP)


@contextmanager
def lock(path: Path) -> Generator[None]:
    """Hold the lock file `path` while the block runs; the system lets go of it when the process ends, however it ends.

    On a file system that has no locks the block runs without one.

    Raises:
        CheckpointError: another process holds it, and still does after `PATIENCE`.
        WriteError: the file cannot be made.
    """
    file = FileLock(path, timeout=PATIENCE)
    try:
        file.acquire()
    except Timeout:
        raise CheckpointError(
            f"{path.parent}: another process is training here; stop it, or choose another --out"
        ) from None
    except NotImplementedError:  # how an older filelock says that there are no locks
        pass
    except OSError as error:
        if error.errno not in WITHOUT_LOCKS:
            raise WriteError(path, str(error)) from error
    try:
        yield
    finally:
        file.release()

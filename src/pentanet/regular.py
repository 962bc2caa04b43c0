"""Opening files that a stranger may have made: regular files only, and never more bytes than a limit."""

from __future__ import annotations

import errno
import os
import stat
from pathlib import Path
from typing import BinaryIO


def open_regular(path: Path) -> BinaryIO:
    """Open a regular file, or what a link to one names, for reading.

    A pipe would hang the reader and a device could feed it for ever, so the kind is asked of the open file.

    Raises:
        OSError: it cannot be opened, or is a directory, pipe, socket or device.
    """
    flags = os.O_RDONLY | getattr(os, "O_NONBLOCK", 0) | getattr(os, "O_BINARY", 0) | getattr(os, "O_CLOEXEC", 0)
    handle = os.open(path, flags)  # O_NONBLOCK: a pipe opens at once, with or without a writer
    try:
        mode = os.fstat(handle).st_mode
        if stat.S_ISDIR(mode):
            raise IsADirectoryError(errno.EISDIR, os.strerror(errno.EISDIR), str(path))
        if not stat.S_ISREG(mode):
            raise OSError(errno.EINVAL, "not a regular file", str(path))
        return os.fdopen(handle, "rb")
    except BaseException:
        os.close(handle)
        raise


def read_regular(path: Path, limit: int) -> bytes:
    """The content of a regular file; of a larger one the first `limit + 1` bytes, so that the caller sees it.

    Raises:
        OSError: see `open_regular`.
    """
    with open_regular(path) as file:
        return file.read(limit + 1)

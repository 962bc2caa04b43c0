"""Opening files that a stranger may have made: regular files only, and never more bytes than a limit.

A model directory may come from a stranger, and a symbolic link in it could point at any file of the reader's, whose
content would go into what is made of the model.  So a link is followed where its target is in the directory itself, or,
for a snapshot in the cache of Hugging Face's hub (`models--OWNER--NAME/snapshots/REVISION`), in the `blobs` of that
model.  Another link is refused by name.
"""

from __future__ import annotations

import errno
import os
import stat
from pathlib import Path
from typing import BinaryIO

from pentanet.errors import UnsafeFileError


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


def own_file(folder: Path, name: str) -> Path | None:
    """A regular file of a model directory; None where there is none of the name.

    Raises:
        UnsafeFileError: a link that leads out of the directory, or no regular file.
    """
    file = folder / name
    if not os.path.lexists(file):
        return None
    try:
        target, root = file.resolve(), folder.resolve()
    except (OSError, RuntimeError) as error:
        raise UnsafeFileError(f"{file}: a link that leads nowhere ({error})") from None
    if not any(target.is_relative_to(place) for place in (root, *_blobs(root))):
        raise UnsafeFileError(
            f"{file}: is a link to {target}, which is outside of the directory. Copy the file into the directory if it "
            "belongs to the model."
        )
    if not target.exists():
        return None
    if not target.is_file():
        raise UnsafeFileError(f"{file}: not a regular file")
    return file


def _blobs(root: Path) -> list[Path]:
    return [
        parent.parent / "blobs"
        for parent in root.parents
        if parent.name == "snapshots" and parent.parent.name.startswith("models--")
    ]

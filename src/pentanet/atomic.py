"""Atomic, durable writes: after a crash, a path holds its old or its new content, never part of either.

Everything is written beside its final place, flushed to the disk, renamed, and the renaming is flushed too.  For every
writer here an OSError means that the old thing stands, and an UnconfirmedWriteError that the new one does.
"""

from __future__ import annotations

import os
import re
import shutil
import tempfile
from collections.abc import Generator
from contextlib import contextmanager
from pathlib import Path

from pentanet.errors import UnconfirmedWriteError


def fsync_dir(path: Path) -> None:
    """Flush a directory's entries (new names, renames) to the disk."""
    if os.name == "nt":  # Windows has no handle to a directory's entries; its renames are journalled.
        return
    handle = os.open(path, os.O_RDONLY)
    try:
        os.fsync(handle)
    finally:
        os.close(handle)


def write_file(path: Path, data: bytes) -> None:
    """Write `data` to `path`, replacing what is there, atomically and durably.

    Raises:
        UnconfirmedWriteError: `path` is the new file, but flushing its name failed.
        OSError: `path` is what it was.
    """
    handle, name = tempfile.mkstemp(dir=path.parent, prefix=f".{path.name}.", suffix=".partial")
    try:
        with os.fdopen(handle, "wb") as file:
            file.write(data)
            file.flush()
            os.fsync(file.fileno())
        Path(name).chmod(0o666 & ~_umask())
        Path(name).replace(path)
    except BaseException:
        Path(name).unlink(missing_ok=True)
        raise
    _confirm(path)


def replace_files(tmp: Path, final: Path, *names: str) -> None:
    """Move files of the directory `tmp` to `final`, on the same disk, after flushing them; replaces what is there.

    Raises:
        UnconfirmedWriteError: `final` has all the new files, but flushing their names failed.
        OSError: `final` is what it was, unless the system took the first renames and not the later ones.
    """
    for name in names:
        _flush(tmp / name)
    for name in names:
        (tmp / name).replace(final / name)
    _confirm(final / names[-1])


def replace_dir(tmp: Path, final: Path) -> None:
    """Rename the directory `tmp` to its sibling `final`, after flushing every file in it.

    A directory that stands at `final` is moved aside first and removed last: for an instant no `final` exists, but
    never a half one.  If the renaming fails the old directory is put back; if the process dies in that instant, the
    next `scratch_dir` does it.

    Raises:
        UnconfirmedWriteError: `final` is the new directory, but flushing its name failed.
        OSError: `final` is what it was.
    """
    for path in sorted(tmp.rglob("*")):
        if path.is_dir():
            fsync_dir(path)
        else:
            _flush(path)
    fsync_dir(tmp)
    aside = _mkdtemp(final, "old") if final.exists() else None
    try:
        if aside is not None:
            final.rename(aside / final.name)
        tmp.rename(final)
    except BaseException:
        if aside is not None:
            _put_back(aside, final)
        raise
    _confirm(final)  # where this fails, the old one stays aside until a next writer clears it away
    if aside is not None:
        shutil.rmtree(aside, ignore_errors=True)


@contextmanager
def scratch_dir(final: Path) -> Generator[Path]:
    """A new empty directory beside `final`, to be filled and handed to `replace_dir`; removed if it is not.

    What killed processes left behind is put back or removed on the way in.
    """
    final.parent.mkdir(parents=True, exist_ok=True)
    _clean_up(final)
    tmp = _mkdtemp(final, "partial")
    try:
        tmp.chmod(0o777 & ~_umask())
        yield tmp
    finally:
        shutil.rmtree(tmp, ignore_errors=True)


def _flush(file: Path) -> None:
    with file.open("rb+") as handle:
        os.fsync(handle.fileno())


def _confirm(path: Path) -> None:
    """Flush the name of what was renamed to `path`."""
    try:
        fsync_dir(path.parent)
    except OSError as error:
        raise UnconfirmedWriteError(path, error.strerror or str(error)) from error


def _mkdtemp(final: Path, kind: str) -> Path:
    """A directory beside `final` whose name says for what and by which process it was made."""
    return Path(tempfile.mkdtemp(dir=final.parent, prefix=f".{final.name}.{os.getpid()}.", suffix=f".{kind}"))


def _clean_up(final: Path) -> None:
    pattern = re.compile(rf"\.{re.escape(final.name)}\.(\d+)\.[^.]+\.(partial|old)")
    for left in sorted(final.parent.iterdir()):
        match = pattern.fullmatch(left.name)
        if match is None or not left.is_dir() or _alive(int(match[1])):
            continue
        if match[2] == "old":
            _put_back(left, final)
        shutil.rmtree(left, ignore_errors=True)


def _put_back(aside: Path, final: Path) -> None:
    if not final.exists() and (aside / final.name).exists():
        (aside / final.name).rename(final)
    if not (aside / final.name).exists():
        shutil.rmtree(aside, ignore_errors=True)


def _umask() -> int:
    mask = os.umask(0)
    os.umask(mask)
    return mask


def _alive(pid: int) -> bool:
    if os.name == "nt":  # there, signal 0 would end the process instead of asking for it
        return True
    try:
        os.kill(pid, 0)
    except ProcessLookupError:
        return False
    except PermissionError:
        return True
    return True

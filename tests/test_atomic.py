"""Old or new, never a half: files, directories, failures in between, and killed processes."""

from __future__ import annotations

import os
import random
import shutil
import subprocess
import sys
import time
from collections.abc import Callable
from pathlib import Path

import pytest

from pentanet import atomic
from pentanet.errors import UnconfirmedWriteError

POSIX = pytest.mark.skipif(os.name == "nt", reason="POSIX permissions and signals")


def listing(path: Path) -> list[str]:
    return sorted(entry.name for entry in path.iterdir())


def test_write_file(tmp_path: Path) -> None:
    path = tmp_path / "a.txt"
    atomic.write_file(path, b"old")
    atomic.write_file(path, b"new")
    assert path.read_bytes() == b"new"
    assert listing(tmp_path) == ["a.txt"]


@POSIX
def test_modes_follow_the_umask(tmp_path: Path) -> None:
    old = os.umask(0o027)
    try:
        atomic.write_file(tmp_path / "file", b"")
        with atomic.scratch_dir(tmp_path / "dir") as scratch:
            atomic.replace_dir(scratch, tmp_path / "dir")
    finally:
        os.umask(old)
    assert (tmp_path / "file").stat().st_mode & 0o777 == 0o640
    assert (tmp_path / "dir").stat().st_mode & 0o777 == 0o750


@pytest.mark.parametrize("call", ["fsync", "replace"])
def test_failed_write_leaves_the_old_file(tmp_path: Path, monkeypatch: pytest.MonkeyPatch, call: str) -> None:
    path = tmp_path / "a.txt"
    atomic.write_file(path, b"old")
    monkeypatch.setattr(os if call == "fsync" else Path, call, _no_space)
    with pytest.raises(OSError, match="No space"):
        atomic.write_file(path, b"new")
    assert path.read_bytes() == b"old"
    assert listing(tmp_path) == ["a.txt"]


def test_replace_dir(tmp_path: Path) -> None:
    final = tmp_path / "model"
    for content in ("one", "two"):
        with atomic.scratch_dir(final) as scratch:
            (scratch / "deep").mkdir()
            (scratch / "deep" / content).write_text(content)
            assert not (final / "deep" / content).exists()
            atomic.replace_dir(scratch, final)
    assert [path.name for path in (final / "deep").iterdir()] == ["two"]
    assert listing(tmp_path) == ["model"]


def test_abandoned_scratch_is_removed(tmp_path: Path) -> None:
    def abandon() -> None:
        with atomic.scratch_dir(tmp_path / "new" / "model") as scratch:
            (scratch / "file").write_text("half")
            raise ZeroDivisionError

    with pytest.raises(ZeroDivisionError):
        abandon()
    assert listing(tmp_path / "new") == []


@pytest.mark.parametrize("failing", [1, 2])
def test_failed_replacement_puts_the_old_back(tmp_path: Path, monkeypatch: pytest.MonkeyPatch, failing: int) -> None:
    """The first rename moves the old directory aside, the second brings the new one in."""
    final = tmp_path / "model"
    final.mkdir()
    (final / "old").touch()
    calls, rename = [], Path.rename

    def rename_or_fail(self: Path, target: Path) -> Path:
        calls.append(target)
        return _no_space() if len(calls) == failing else rename(self, target)

    monkeypatch.setattr(Path, "rename", rename_or_fail)
    with atomic.scratch_dir(final) as scratch:
        (scratch / "new").touch()
        with pytest.raises(OSError, match="No space"):
            atomic.replace_dir(scratch, final)
    assert listing(final) == ["old"]
    assert listing(tmp_path) == ["model"]


def test_leftovers(tmp_path: Path) -> None:
    """What dead processes left goes, what living ones make and what belongs to others stays."""
    dead = _dead_pid()
    leave = [
        f".model.{os.getpid()}.abc.partial",
        f".model2.{dead}.abc.partial",
        f".model.x.{dead}.abc.partial",
        "model",
    ]
    for name in (*leave, f".model.{dead}.abc.partial", f".model.{dead}.abd.old"):
        (tmp_path / name).mkdir()
    with atomic.scratch_dir(tmp_path / "model"):
        pass
    assert listing(tmp_path) == sorted(leave)


def test_interrupted_replacement_is_undone(tmp_path: Path) -> None:
    aside = tmp_path / f".model[1].{_dead_pid()}.abc.old" / "model[1]"
    aside.mkdir(parents=True)
    (aside / "file").touch()
    with atomic.scratch_dir(tmp_path / "model[1]"):
        pass
    assert listing(tmp_path) == ["model[1]"]
    assert listing(tmp_path / "model[1]") == ["file"]


WRITER = """
import sys
from itertools import count
from pathlib import Path
from pentanet import atomic
final = Path(sys.argv[1])
for version in count():
    with atomic.scratch_dir(final) as scratch:
        for name in "abc":
            (scratch / name).write_text(str(version) * 1000)
        atomic.replace_dir(scratch, final)
    if version == 0:
        print("started", flush=True)
"""


@POSIX
def test_killed_at_any_moment(tmp_path: Path) -> None:
    final = tmp_path / "model"
    delays = random.Random(0)
    for _ in range(8):
        with subprocess.Popen([sys.executable, "-c", WRITER, str(final)], stdout=subprocess.PIPE) as process:
            assert process.stdout is not None
            process.stdout.readline()
            time.sleep(delays.uniform(0, 0.05))
            process.kill()
        with atomic.scratch_dir(final):
            pass
        assert listing(tmp_path) == ["model"]
        assert len({(final / name).read_text() for name in "abc"}) == 1
    shutil.rmtree(final)


def _no_space(*args: object) -> Path:
    raise OSError(28, "No space left on device")


def _dead_pid() -> int:
    process = subprocess.Popen([sys.executable, "-c", ""])
    process.wait()
    return process.pid


def _write_file(folder: Path) -> None:
    atomic.write_file(folder / "final", b"new")


def _replace_files(folder: Path) -> None:
    with atomic.scratch_dir(folder / "final") as scratch:
        (scratch / "final").write_bytes(b"new")
        (scratch / "other").write_bytes(b"new")
        atomic.replace_files(scratch, folder, "final", "other")


def _replace_dir(folder: Path) -> None:
    with atomic.scratch_dir(folder / "final") as scratch:
        (scratch / "new").touch()
        atomic.replace_dir(scratch, folder / "final")


WRITERS = (_write_file, _replace_files, _replace_dir)


@POSIX
@pytest.mark.parametrize("write", WRITERS)
def test_a_late_failure_says_that_the_new_one_is_there(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, write: Callable[[Path], None]
) -> None:
    flush, old, final = atomic.fsync_dir, tmp_path / "old", tmp_path / "final"
    write(tmp_path)
    final.rename(old)
    (final.mkdir if old.is_dir() else final.touch)()

    def fail(path: Path) -> None:
        if path == tmp_path:
            raise OSError(5, "Input/output error")
        flush(path)

    monkeypatch.setattr(atomic, "fsync_dir", fail)
    with pytest.raises(UnconfirmedWriteError, match=r"the new one is written and in its place, .*Input/output error"):
        write(tmp_path)
    assert _content(final) == _content(old)


def _content(path: Path) -> list[str] | bytes:
    return listing(path) if path.is_dir() else path.read_bytes()


def test_files_that_cannot_be_flushed_are_not_moved(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    atomic.write_file(tmp_path / "final", b"old")
    monkeypatch.setattr(os, "fsync", _no_space)
    with pytest.raises(OSError, match="No space"):
        _replace_files(tmp_path)
    assert (tmp_path / "final").read_bytes() == b"old"
    assert listing(tmp_path) == ["final"]

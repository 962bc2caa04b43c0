"""One process at a time."""

from __future__ import annotations

import errno
from pathlib import Path

import pytest

from pentanet.errors import CheckpointError, WriteError
from pentanet.training.lock import lock


def test_it_is_held_and_let_go(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("pentanet.training.lock.PATIENCE", 0.05)
    path = tmp_path / "run.lock"
    with lock(path), pytest.raises(CheckpointError, match=f"{tmp_path}: another process is training here"), lock(path):
        pytest.fail("held twice")
    with pytest.raises(ZeroDivisionError), lock(path):
        _ = 1 / 0
    with lock(path):
        pass


@pytest.mark.parametrize("refusal", [OSError(errno.ENOLCK, "No locks available"), NotImplementedError("no flock")])
def test_where_files_cannot_be_locked_it_goes_on(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, refusal: Exception
) -> None:
    def refuse(*_: object) -> None:
        raise refusal

    monkeypatch.setattr("filelock.FileLock.acquire", refuse)
    ran: list[str] = []
    with lock(tmp_path / "run.lock"):
        ran.append("without a lock")
    assert ran


def test_a_lock_file_that_cannot_be_made_is_named(tmp_path: Path) -> None:
    (tmp_path / "file").touch()
    with pytest.raises(WriteError, match=r"run\.lock"), lock(tmp_path / "file" / "run.lock"):
        pytest.fail("ran without its lock")

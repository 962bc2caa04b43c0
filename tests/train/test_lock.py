"""One process at a time."""

from __future__ import annotations

import sys
from pathlib import Path

import pytest

from pentanet.errors import CheckpointError
from pentanet.train.lock import lock

pytestmark = pytest.mark.skipif(sys.platform == "win32", reason="no locks there")


def test_it_is_held_and_let_go(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("pentanet.train.lock.PATIENCE", 0.05)
    path = tmp_path / "run.lock"
    with lock(path), pytest.raises(CheckpointError, match=f"{tmp_path}: another process is training here"), lock(path):
        pytest.fail("held twice")
    with pytest.raises(ZeroDivisionError), lock(path):
        _ = 1 / 0
    with lock(path):
        pass


def test_where_files_cannot_be_locked_it_goes_on(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    def refuse(*_: object) -> None:
        raise OSError(37, "No locks available")

    monkeypatch.setattr("fcntl.flock", refuse)
    with lock(tmp_path / "run.lock"):
        pass

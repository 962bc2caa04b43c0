"""A log that can be cut back to a length."""

from __future__ import annotations

from pathlib import Path

import pytest

from pentanet.errors import CheckpointError
from pentanet.training.metrics import MetricsLog


def test_rows_come_back_and_a_half_line_does_not(tmp_path: Path) -> None:
    log = MetricsLog(tmp_path / "m.jsonl")
    assert log.rows() == []
    log.write({"step": 1, "loss": 0.1 + 0.2})
    log.write({"step": 2})
    with log.path.open("a") as file:
        file.write('{"step": 3, "lo')
    assert log.rows() == [{"step": 1, "loss": 0.1 + 0.2}, {"step": 2}]


def test_cutting_back_leaves_the_same_bytes(tmp_path: Path) -> None:
    log = MetricsLog(tmp_path / "m.jsonl")
    log.write({"step": 1})
    length, before = log.sync(), log.path.read_bytes()
    assert length == len(before)
    log.write({"step": 2})
    MetricsLog(log.path).cut(length)
    assert log.path.read_bytes() == before


def test_a_log_that_lost_lines_is_refused(tmp_path: Path) -> None:
    log = MetricsLog(tmp_path / "m.jsonl")
    log.write({"step": 1})
    with pytest.raises(CheckpointError, match=r"m.jsonl: 12 bytes, but 13 when the checkpoint was saved"):
        log.cut(13)
    assert log.path.stat().st_size == 12


def test_keeping_rows(tmp_path: Path) -> None:
    log = MetricsLog(tmp_path / "m.jsonl")
    log.path.write_text('{"step": 1}\n{"step": 2}\n{"st')
    log.keep(log.rows()[:1])
    log.write({"step": 3})
    assert log.rows() == [{"step": 1}, {"step": 3}]

"""Committed records can be reported: each summary is whole, and the runs that it names are there, without weights."""

from __future__ import annotations

import math
from pathlib import Path

import pytest

from pentanet.report.records import parse, read_summary
from pentanet.report.runs import read_runs

EVIDENCE = Path(__file__).parents[1] / "evidence"
SUITES = sorted(path.parent.name for path in EVIDENCE.glob("*/summary.json"))


def test_there_is_evidence() -> None:
    assert {"methods", "depth", "depth-seed", "frontier", "duel", "distill"} <= set(SUITES)
    assert sum(path.stat().st_size for path in EVIDENCE.rglob("*") if path.is_file()) < 6_000_000


@pytest.mark.parametrize("name", SUITES)
def test_records_are_whole(name: str) -> None:
    bench = parse(read_summary(EVIDENCE / name))
    assert bench.suite == name
    runs = read_runs(bench, EVIDENCE / name)
    assert len(runs) == sum(len(arm.seeds) for arm in bench.arms)
    for run in runs:
        assert run.curves.diverged is None
        assert run.curves.valid
        assert run.record["val_loss"] == next(a for a in bench.arms if a.name == run.method).seeds[run.seed]["val_loss"]
        assert math.isfinite(run.record["val_loss"])
        assert run.config
    files = (path for path in (EVIDENCE / name).rglob("*") if path.is_file())
    kinds = {path.name for path in files if "report" not in path.relative_to(EVIDENCE).parts}
    assert kinds == {"summary.json", "config.toml", "metrics.jsonl", "record.json"}


@pytest.mark.parametrize("name", SUITES)
def test_every_arm_has_every_seed(name: str) -> None:
    bench = parse(read_summary(EVIDENCE / name))
    assert len(bench.seeds) == 3
    assert all(tuple(arm.seeds) == bench.seeds for arm in bench.arms)

"""`pentanet report` over one benchmark and over a folder of several."""

import json
import pkgutil
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest


def bench(folder: Path, suite: str, run: str | None = None) -> None:
    folder.mkdir(parents=True, exist_ok=True)
    arm: dict[str, Any] = {"mean": {"val_loss": 3.0}, "seeds": {"0": {"val_loss": 3.0, "run": run}}}
    (folder / "summary.json").write_text(json.dumps({"suite": suite, "methods": {"mine": arm}}))


def files(folder: Path) -> list[str]:
    return sorted(path.relative_to(folder).as_posix() for path in folder.rglob("*") if path.is_file())


def test_several_benches_have_a_folder_each(tmp_path: Path, pentanet: Callable[..., Any]) -> None:
    for name in ("a", "b"):
        bench(tmp_path / "records" / name, name)
    done = pentanet("report", tmp_path / "records", "--to", tmp_path / "to", "--json")
    assert files(tmp_path / "to") == ["a/curves.svg", "a/index.html", "b/curves.svg", "b/index.html"]
    assert files(tmp_path / "records") == ["a/summary.json", "b/summary.json"]
    told = json.loads(done.out)
    assert told == {"pages": [str(tmp_path / "to" / name / "index.html") for name in "ab"], "files": []}


def test_one_bench_keeps_its_report(tmp_path: Path, pentanet: Callable[..., Any]) -> None:
    bench(tmp_path / "a", "a")
    done = pentanet("report", tmp_path / "a", "--json")
    assert files(tmp_path / "a") == ["report/curves.svg", "report/index.html", "summary.json"]
    assert json.loads(done.out)["suite"] == "a"


def test_records_are_read_and_checked_once(
    tmp_path: Path, pentanet: Callable[..., Any], monkeypatch: pytest.MonkeyPatch
) -> None:
    bench(tmp_path, "a", run="run")
    (tmp_path / "run").mkdir()
    (tmp_path / "run" / "metrics.jsonl").write_text('{"step": 1, "val_loss": 3.0}\n')
    calls: list[str] = []
    for name in ("records.read_json", "records._arm", "runs.read_curves"):
        monkeypatch.setattr(f"pentanet.report.{name}", counted(f"pentanet.report.{name}", calls))
    pentanet("report", tmp_path)
    assert sorted(calls) == [
        f"pentanet.report.{name}" for name in ("records._arm", "records.read_json", "runs.read_curves")
    ]


def counted(name: str, calls: list[str]) -> Callable[..., Any]:
    function = pkgutil.resolve_name(name)

    def call(*given: Any, **named: Any) -> Any:
        calls.append(name)
        return function(*given, **named)

    return call

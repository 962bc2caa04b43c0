"""`pentanet report` over one benchmark and over a folder of several."""

import json
from collections.abc import Callable
from pathlib import Path
from typing import Any


def bench(folder: Path, suite: str) -> None:
    folder.mkdir(parents=True)
    arm: dict[str, Any] = {"mean": {"val_loss": 3.0}, "seeds": {"0": {"val_loss": 3.0}}}
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

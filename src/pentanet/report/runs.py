"""What each run of a bench left in its directory."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from typing import Any

from pentanet.errors import MissingFileError, RecordError
from pentanet.report.formats import finite
from pentanet.report.metrics import Curves, read_curves
from pentanet.report.records import AGAIN, Bench, read_json

MAX_CONFIG = 20_000


@dataclass(frozen=True, kw_only=True, slots=True)
class Run:
    """One training run.

    Attributes:
        method: registry name of the method.
        seed: the seed as the summary writes it.
        curves: what it logged.
        tokens_per_step: factor from the steps of `curves` to tokens; 1 if the bench did not say (then `in_steps`).
        in_steps: the horizontal axis counts steps.
        record: its record.json; empty without one.
        config: its config.toml as text; empty without one.
    """

    method: str
    seed: str
    curves: Curves
    tokens_per_step: float
    in_steps: bool
    record: dict[str, Any]
    config: str


def read_runs(bench: Bench, out: Path) -> list[Run]:
    """Read the run directories that the summary names; results without one have no curves.

    Raises:
        MissingFileError: a named run has no metrics.jsonl.
        RecordError: a file in it cannot be read, or a path leaves `out`.
    """
    runs: list[Run] = []
    for arm in bench.arms:
        for seed, result in arm.seeds.items():
            if result.get("run") is None:
                continue
            where = f"{out / 'summary.json'}: methods.{arm.name}.seeds.{seed}.run"
            runs.append(_run(bench, arm.name, seed, _inside(out, result["run"], where)))
    return runs


def _inside(out: Path, name: object, where: str) -> Path:
    path = out / name if isinstance(name, str) else None
    # A summary from a stranger must not make the page show files from elsewhere.
    if path is None or not path.resolve().is_relative_to(out.resolve()):
        raise RecordError(f"{where}: a path inside {out} is needed, not {name!r}. {AGAIN}")
    return path


def _run(bench: Bench, method: str, seed: str, folder: Path) -> Run:
    metrics = folder / "metrics.jsonl"
    if not metrics.is_file():
        raise MissingFileError(metrics, f"The summary names this run but its log is gone. {AGAIN}")
    curves = read_curves(metrics)
    steps, tokens = finite(bench.facts.get("steps")), finite(bench.facts.get("tokens"))
    if curves.tokens and curves.last_step:
        factor = curves.tokens / curves.last_step
    else:
        factor = tokens / steps if tokens and steps else None
    record, config = folder / "record.json", folder / "config.toml"
    return Run(
        method=method,
        seed=seed,
        curves=curves,
        tokens_per_step=factor or 1.0,
        in_steps=factor is None,
        record=read_json(record) if record.is_file() else {},
        config=config.read_text(encoding="utf-8", errors="replace")[:MAX_CONFIG] if config.is_file() else "",
    )

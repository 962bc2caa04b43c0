"""summary.json as the report reads it: nothing in the file is believed before it is checked."""

from __future__ import annotations

import json
import re
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any, cast

from pentanet.errors import MissingFileError, RecordError
from pentanet.report.formats import finite

SIZE = re.compile(r"-(\d+|[sml])$")  # how the suites of bench name the sizes of a method
AGAIN = "Run the bench again: it keeps the runs that are finished and writes the summary anew."


@dataclass(frozen=True, kw_only=True, slots=True)
class Arm:
    """One method of a bench, or one of its sizes where a suite trains a method more than once.

    Attributes:
        name: unique in the bench; the registry name of the method unless a suite trains it more than once.
        title: one line that says what it is.
        method: registry name of the method.
        series: the name without the size: what is one line in a picture over sizes.
        size: the end of the name that says the size, "24" layers or "m"; empty in a suite of one size.
        mean: means over the seeds by metric.
        sd: sample standard deviations by metric; a metric with one seed has none.
        seeds: what each run measured, by seed, in the order of the summary.
    """

    name: str
    title: str
    method: str
    series: str
    size: str
    mean: Mapping[str, float]
    sd: Mapping[str, float]
    seeds: Mapping[str, dict[str, Any]]

    @property
    def layers(self) -> int | None:
        """The depth, where the size is one."""
        return int(self.size) if self.size.isdecimal() else None

    def values(self, metric: str) -> dict[str, float]:
        """A metric by seed, without the runs that have none."""
        found = {seed: finite(result.get(metric)) for seed, result in self.seeds.items()}
        return {seed: value for seed, value in found.items() if value is not None}

    def occupancy(self) -> dict[int, float]:
        """Mean share of the quantized weights at each level that occurs; empty without a grid."""
        runs: list[dict[int, float]] = [result["occupancy"] for result in self.seeds.values() if result["occupancy"]]
        # A run leaves out the levels that no weight stands on.
        return {
            level: sum(run.get(level, 0.0) for run in runs) / len(runs)
            for level in sorted({level for run in runs for level in run})
        }


@dataclass(frozen=True, kw_only=True, slots=True)
class Difference:
    """One comparison of the summary; the fields are those of `pentanet.bench.statistics.Comparison`."""

    method: str
    control: str
    metric: str
    n: int
    difference: float | None
    low: float | None
    high: float | None
    p: float | None
    p_holm: float | None
    verdict: str


@dataclass(frozen=True, kw_only=True, slots=True)
class Contrast:
    """A weighted sum of losses, taken within each seed; the fields are those of `pentanet.bench.statistics.Estimate`.

    Attributes:
        title: what a value below zero says.
    """

    title: str
    n: int
    estimate: float | None
    low: float | None
    high: float | None
    p: float | None
    verdict: str


@dataclass(frozen=True, kw_only=True, slots=True)
class Bench:
    """A checked summary.

    Attributes:
        suite: name of the suite.
        arms: the methods, in the order of the summary.
        differences: every comparison, of every metric.
        contrasts: questions that one pair does not answer.
        facts: the rest of the summary: data, model, machine, steps, tokens, version.
    """

    suite: str
    arms: tuple[Arm, ...]
    differences: tuple[Difference, ...]
    contrasts: tuple[Contrast, ...]
    facts: Mapping[str, Any]

    @property
    def seeds(self) -> tuple[str, ...]:
        """Every seed that any method ran, in order of appearance."""
        return tuple(dict.fromkeys(seed for arm in self.arms for seed in arm.seeds))

    @property
    def losses(self) -> tuple[Difference, ...]:
        """The comparisons of the validation loss: what verdicts, table and forest plot are made of."""
        return tuple(d for d in self.differences if d.metric == "val_loss")

    @property
    def controls(self) -> tuple[str, ...]:
        """Methods that others are compared with on validation loss, in order of appearance."""
        return tuple(dict.fromkeys(d.control for d in self.losses))

    @property
    def control_methods(self) -> tuple[str, ...]:
        """The controls without their sizes: one for each column of the table."""
        arms = filter(None, (self.arm(name) for name in self.controls))
        return tuple(dict.fromkeys(arm.method for arm in arms))

    def against(self, name: str, method: str) -> Difference | None:
        """The first comparison of an arm with a control of this method."""
        named = {arm.name for arm in self.arms if arm.method == method}
        return next((d for d in self.losses if d.method == name and d.control in named), None)

    def arm(self, name: str) -> Arm | None:
        """The method of that name."""
        return next((arm for arm in self.arms if arm.name == name), None)


def read_json(path: Path) -> dict[str, Any]:
    """A JSON object from a file.

    Raises:
        RecordError: the file is no JSON object; names the file and the place.
    """
    try:
        value: Any = json.loads(path.read_text(encoding="utf-8"))
    except UnicodeDecodeError as error:
        raise RecordError(f"{path}: not UTF-8 at byte {error.start}. {AGAIN}") from None
    except (ValueError, RecursionError) as error:
        raise RecordError(f"{path}: not JSON: {error}. {AGAIN}") from None
    if not isinstance(value, dict):
        raise RecordError(f"{path}: a JSON object is needed, not {type(value).__name__}. {AGAIN}")
    return cast("dict[str, Any]", value)


def read_summary(out: Path) -> dict[str, Any]:
    """The summary of the bench in `out`, unchecked.

    Raises:
        MissingFileError: there is none.
        RecordError: it is no JSON object.
    """
    path = out / "summary.json"
    if not path.is_file():
        raise MissingFileError(
            path, "A report is made of a bench: run `pentanet bench`, or name the directory that it wrote."
        )
    return read_json(path)


def parse(summary: Mapping[str, Any], where: str = "summary.json") -> Bench:
    """Check a summary.

    Args:
        summary: what `pentanet bench` wrote.
        where: name of the file for messages.

    Raises:
        RecordError: a part is missing or of another type; names the key.
    """
    methods = _object(summary.get("methods"), f"{where}: methods")
    if not methods:
        raise RecordError(f"{where}: methods: empty, no run has finished. {AGAIN}")
    arms = tuple(_arm(name, value, f"{where}: methods.{name}") for name, value in methods.items())
    return Bench(
        suite=str(summary.get("suite", "bench")),
        arms=arms,
        differences=tuple(_difference(row, place) for row, place in _rows(summary, "comparisons", where)),
        contrasts=tuple(_contrast(row, place) for row, place in _rows(summary, "contrasts", where)),
        facts=summary,
    )


def _rows(summary: Mapping[str, Any], key: str, where: str) -> list[tuple[Any, str]]:
    rows: Any = summary.get(key, [])
    if not isinstance(rows, list):
        raise RecordError(f"{where}: {key}: a list is needed, not {type(rows).__name__}. {AGAIN}")
    return [(row, f"{where}: {key}[{index}]") for index, row in enumerate(cast("list[Any]", rows))]


def _object(value: Any, where: str) -> dict[str, Any]:
    if not isinstance(value, dict):
        raise RecordError(f"{where}: a JSON object is needed, not {type(value).__name__}. {AGAIN}")
    return cast("dict[str, Any]", value)


def _numbers(value: Any, where: str) -> dict[str, float]:
    found = {key: finite(number) for key, number in _object(value, where).items()}
    return {key: number for key, number in found.items() if number is not None}


def _arm(name: str, value: Any, where: str) -> Arm:
    arm = _object(value, where)
    seeds = {
        seed: _result(row, f"{where}.seeds.{seed}") for seed, row in _object(arm.get("seeds"), f"{where}.seeds").items()
    }
    size = SIZE.search(name)
    series = name[: size.start()] if size else name
    return Arm(
        name=name,
        title=str(arm.get("title") or name),
        method=str(arm.get("method") or series),
        series=series,
        size=size[1] if size else "",
        mean=_numbers(arm.get("mean"), f"{where}.mean"),
        sd=_numbers(arm.get("sd") or {}, f"{where}.sd"),
        seeds=seeds,
    )


def _result(value: Any, where: str) -> dict[str, Any]:
    result = _object(value, where)
    shares = _numbers(result.get("occupancy") or {}, f"{where}.occupancy")
    try:
        occupancy = {int(level): share for level, share in shares.items()}
    except ValueError:
        raise RecordError(f"{where}.occupancy: levels must be integers, not {sorted(shares)}. {AGAIN}") from None
    return {**result, "occupancy": occupancy}


def _difference(value: Any, where: str) -> Difference:
    row = _texts(value, ("method", "control", "metric", "verdict"), where)
    numbers = {key: finite(row.get(key)) for key in ("difference", "low", "high", "p", "p_holm")}
    return Difference(
        method=row["method"],
        control=row["control"],
        metric=row["metric"],
        verdict=row["verdict"],
        n=int(finite(row.get("n")) or 0),
        **numbers,
    )


def _contrast(value: Any, where: str) -> Contrast:
    row = _texts(value, ("title", "verdict"), where)
    numbers = {key: finite(row.get(key)) for key in ("estimate", "low", "high", "p")}
    return Contrast(title=row["title"], verdict=row["verdict"], n=int(finite(row.get("n")) or 0), **numbers)


def _texts(value: Any, keys: tuple[str, ...], where: str) -> dict[str, Any]:
    row = _object(value, where)
    for key in keys:
        if not isinstance(row.get(key), str):
            raise RecordError(f"{where}.{key}: text is needed. {AGAIN}")
    return row

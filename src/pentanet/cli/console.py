"""What the commands share: where results and progress go, and how they look."""

from __future__ import annotations

import json
from collections.abc import Callable, Generator, Mapping
from contextlib import AbstractContextManager, contextmanager
from pathlib import Path
from typing import TYPE_CHECKING, Any, cast

from rich.console import Console
from rich.measure import Measurement
from rich.progress import Progress
from rich.table import Table

from pentanet.cli import progress

if TYPE_CHECKING:
    from pentanet.data.dataset import Dataset
    from pentanet.data.prepare import Eos
    from pentanet.report.records import Bench

out = Console(highlight=False, markup=False)
err = Console(stderr=True, highlight=False, markup=False)

BUSY = 0.8  # processes that wanted to run in the minute before; our own start is some of it


def print_json(value: Any) -> None:
    """One JSON document on standard output, and nothing else."""
    print(json.dumps(value, indent=2))


def bars(*, transient: bool = False) -> AbstractContextManager[Progress]:
    """Progress on standard error: bars with time left in a terminal, a line now and then elsewhere.

    Bars that are `transient` vanish when they are done.
    """
    return progress.bars(err, transient=transient)


@contextmanager
def bar(title: str, total: float, *, transient: bool = False, percent: bool = False) -> Generator[Callable[..., None]]:
    """One bar, for work that tells how much is done and perhaps a `note`; `percent`: as a share of the total."""
    with bars(transient=transient) as found:
        task = found.add_task(title, total=total, note="", percent=percent)

        def tell(done: float, note: str = "") -> None:
            found.update(task, completed=done, note=note)

        yield tell


@contextmanager
def stages() -> Generator[Callable[[str, int, int], None]]:
    """A bar per stage, for work that reports (stage, done, total)."""
    with bars(transient=True) as found:
        tasks: dict[str, Any] = {}

        def tell(stage: str, done: int, total: int) -> None:
            if stage not in tasks:
                tasks[stage] = found.add_task(stage, total=total, note="")
            found.update(tasks[stage], completed=done, total=total)

        yield tell


def dataset(source: str, tokenizer: str, eos: Eos) -> Dataset:
    """Open or prepare a dataset, with a bar."""
    from pentanet.data.cache import open_or_prepare

    with stages() as tell:
        return open_or_prepare(source, tokenizer, eos, tell)


def measure_text(network: Any, text: Any, title: str, context: int, stride: int, precision: str) -> Any:
    """A `SlidingEvaluation` of a network on a text, with a bar; "auto" as in training."""
    from pentanet.evaluation.sliding import evaluate_text
    from pentanet.nn.precision import resolve_precision

    with bar(title, len(text.ids) - 1, transient=True) as tell:
        return evaluate_text(
            network,
            text,
            context=context,
            stride=stride,
            precision=resolve_precision(precision),
            progress=tell,
        )


def print_facts(facts: Mapping[str, Any]) -> None:
    """Names and values, one per line; tables of values are indented."""
    width = max(map(len, facts), default=0)
    for key, value in facts.items():
        shown = _shown(value)
        if shown:
            out.print(f"{key:{width}}  {shown}", soft_wrap=True)


def print_worst(layers: list[dict[str, Any]], count: int = 5) -> None:
    """The matrices that lost most."""
    worst = sorted(layers, key=lambda layer: -layer["weight_error"])[:count]
    table = Table(box=None, header_style="bold", padding=(0, 1, 0, 0), pad_edge=False)
    for name in ("largest errors", "grid", "bits", "weight error"):
        table.add_column(name, no_wrap=True)
    for layer in worst:
        bits, error = f"{layer['bits']:.3f}", f"{layer['weight_error']:.4f}"
        table.add_row(layer["name"].removesuffix(".weight"), layer["grid"], bits, error)
    print_table(table)


def print_table(table: Table) -> None:
    """A table that loses nothing: too wide for the terminal, its lines wrap; in a file or pipe, they are long."""
    needed = Measurement.get(out, out.options.update(max_width=1000), table)
    least = needed.minimum if out.is_terminal else needed.maximum
    width = max(least, min(out.width, needed.maximum))
    # Rich gives a table no more than the width of its console, and takes the first column away for the others.
    wide = Console(file=out.file, width=width, force_terminal=out.is_terminal, highlight=False, markup=False)
    wide.print(table, crop=False, soft_wrap=True)


def show_bench(bench: Bench, page: Path) -> None:
    """The table of a benchmark, the comparisons in words, and where the page lies."""
    from pentanet.report.table import bench_table, comparison_lines, occupancy_lines, packing_line, question_lines

    print_table(bench_table(bench))
    for title, lines in (
        ("Validation loss, paired by seed", comparison_lines(bench)),
        *([("Questions", found)] if (found := question_lines(bench)) else []),
        ("Occupancy of the levels", occupancy_lines(bench)),
        ("Packing", [packing_line(bench)]),
        ("Report", [str(page)]),
    ):
        out.print(f"\n{title}", style="bold")
        for line in lines:
            out.print(f"  {line}", soft_wrap=True)


def show_speed(summary: Mapping[str, Any]) -> None:
    """The tables of a measurement of speed, and what it was measured on."""
    from pentanet.report.speed import speed_tables

    machine = summary["machine"]
    pages = f"{machine['page_size'] >> 10} KiB pages, huge pages {machine['huge_pages'] or 'unknown'}"
    out.print(f"{machine['cpu']}, {machine['instruction_set']}, {machine['compiler']}, {pages}", soft_wrap=True)
    if machine["load"] > BUSY:
        out.print(f"The machine was busy (load {machine['load']:.1f}): the numbers are too low.", style="yellow")
    for title, table in speed_tables(summary):
        out.print(f"\n{title}", style="bold")
        print_table(table)


def _shown(value: Any) -> str:
    if isinstance(value, Mapping):
        found = cast("Mapping[str, Any]", value)
        return "  ".join(f"{key} {_shown(v)}" for key, v in found.items())
    if isinstance(value, list | tuple):
        return " ".join(map(str, cast("list[Any]", value)))
    if isinstance(value, float):
        return f"{value:.6g}"
    return (
        f"{value:,}" if isinstance(value, int) and not isinstance(value, bool) else "" if value is None else str(value)
    )

"""pentanet bench."""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

from cyclopts import Parameter

from pentanet.cli.options import Count, Flag, Settings, TorchThreads

if TYPE_CHECKING:
    from pentanet.training.config import TrainConfig


def bench(
    suite: str = "nano",
    *,
    out: Path | None = None,
    seeds: Count | None = None,
    methods: Annotated[list[str] | None, Parameter(negative=(), consume_multiple=True)] = None,
    steps: Count | None = None,
    data: str = "",
    settings: Settings | None = None,
    workers: Count | None = None,
    threads: TorchThreads = 1,
    listing: Annotated[bool, Parameter("--list", negative=())] = False,
    cost: Flag = False,
    json: Flag = False,
) -> None:
    """Train several weight methods alike, pack each, check that nothing was lost, and compare them.

    The same command continues a benchmark that was interrupted.

    Parameters
    ----------
    suite
        nano (our recipe), nano-seed (the published one), methods (every method), depth, depth-seed, frontier, duel,
        hgf or distill.
    out
        Directory for everything; runs/bench-SUITE by default.
    seeds
        How many; 3 by default.
    methods
        Arms of the suite instead of all, separated by commas or spaces; for nano and methods, any methods.
    steps
        Optimizer steps of each training, instead of the preset's; with --cost, steps of each method that are measured.
    data
        bible, wikitext-2, wikitext-103, a text file or folder, or a prepared dataset directory.
    settings
        Any other setting as key=value, for all methods; may be repeated.
    workers
        Trainings side by side; as many as the cores serve by default.
    threads
        Of each training, also where nothing runs beside it.
    listing
        Say what the methods are, with grid, granularity and bits, and train nothing.
    cost
        Measure how long a training step takes with each method, over one in full precision, in a network of width 256.
    json
        Print the summary, the list or the costs as JSON.
    """
    from pentanet.bench.catalogue import describe
    from pentanet.bench.run import JobProgress
    from pentanet.bench.run import bench as run
    from pentanet.bench.suites import suite as find
    from pentanet.cli import console
    from pentanet.report.page import read, write_page
    from pentanet.training.presets import load_config, short_overrides

    chosen = find(suite)
    names = tuple(name for item in methods or [] for name in item.split(",") if name)
    arms = [chosen.arm(name) for name in names]  # a misspelt name is told before the text is prepared
    if listing:
        rows = describe(dict.fromkeys(arm.method for arm in arms or chosen.arms))
        (console.print_json if json else _show)(rows)
        return
    if cost:
        from pentanet.bench.cost import SIZE

        pairs = [*chosen.settings, *SIZE, *(settings or [])]
        (console.print_json if json else _show_cost)(
            _cost(load_config(chosen.preset, pairs), [arm.method for arm in arms or chosen.arms], steps)
        )
        return
    config = load_config(
        chosen.preset, [*chosen.settings, *short_overrides(source=data, steps=steps or 0), *(settings or [])]
    )
    tokens = console.dataset(config.data.source, config.data.tokenizer, config.data.eos)
    folder = out or Path("runs") / f"bench-{suite}"
    with console.bars() as bars:
        total = bars.add_task(f"[bold]{suite}", total=0, note="all trainings")
        tasks: dict[str, Any] = {}
        done: dict[str, tuple[int, int]] = {}

        def tell(p: JobProgress) -> None:
            done[p.name] = (p.step, p.steps)
            if p.name not in tasks:
                tasks[p.name] = bars.add_task(p.name, total=p.steps, note="", visible=False, start=False)
            note = "" if math.isnan(p.loss) else f"loss {p.loss:.3f}"
            if p.result is not None:
                note = _outcome(p.result)
            if p.step and not bars.tasks[tasks[p.name]].started:
                bars.start_task(tasks[p.name])
            bars.update(tasks[p.name], completed=p.step, visible=p.step > 0, note=note)
            bars.update(total, completed=sum(a for a, _ in done.values()), total=sum(b for _, b in done.values()))

        counts = {"seeds": seeds or 0, "workers": workers or 0, "threads": threads}
        summary = run(chosen, config, folder, tokens, methods=names, **counts, progress=tell)
    found, records = read(folder)
    page = write_page(found, records, folder / "report")
    if json:
        console.print_json(summary)
    else:
        console.show_bench(found, page)


def _cost(config: TrainConfig, methods: Sequence[str], rounds: int | None) -> list[dict[str, Any]]:
    from pentanet.bench.cost import ROUNDS
    from pentanet.bench.cost import cost as measure
    from pentanet.cli import console
    from pentanet.machine import keep_freed_memory

    keep_freed_memory()  # as in the trainings
    with console.bars() as bars:
        task = bars.add_task("[bold]cost", total=rounds or ROUNDS, note="rounds of all methods")
        return measure(
            config, methods, rounds=rounds or ROUNDS, progress=lambda done: bars.update(task, completed=done)
        )


def _show_cost(rows: Sequence[Mapping[str, Any]]) -> None:
    """A line per method: its step over that of full precision, with the middle half of the rounds."""
    from pentanet.cli import console

    console.out.print(f"{'method':26}  {'ms':>8}  {'cost':>7}  middle half of the rounds", style="bold")
    for row in rows:
        more, low, high = (f"{100 * (row[key] - 1):+.1f} %" for key in ("ratio", "low", "high"))
        console.out.print(f"{row['name']:26}  {1e3 * row['seconds']:8.1f}  {more:>7}  {low} to {high}", soft_wrap=True)


def _show(rows: Sequence[Mapping[str, Any]]) -> None:
    """The list of methods, one per line however wide the terminal is."""
    from pentanet.cli import console

    console.out.print(f"{'method':24}  {'grid':10}  {'scale per':9}  {'bits':>6}  stored  what it is", style="bold")
    for row in rows:
        words = f"{row['name']:24}  {row['grid'] or '':10}  {row['granularity'] or '':9}"
        bits = f"{row['bits']:6.3f}  {row['stored_bits']:6.3f}"
        console.out.print(f"{words}  {bits}  {row['title']}", soft_wrap=True)


def _outcome(result: Mapping[str, Any]) -> str:
    """What became of a run, as short as a bar's note must be."""
    from rich.markup import escape

    if error := result.get("error"):
        return f"[red]{escape(error)}[/]"
    loss, gap = result["val_loss"], result["packed_gap"]
    return f"val {loss:.4f} = packed" if gap == 0 else f"[red]val {loss:.4f}, packed {gap:+.2g}[/]"

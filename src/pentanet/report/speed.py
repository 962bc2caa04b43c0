"""Summaries of `pentanet speed` as terminal tables and as files."""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

from rich import box
from rich.table import Table

from pentanet import atomic
from pentanet.errors import WriteError
from pentanet.report.roofline import roofline_svg

Json = Mapping[str, Any]


def save(summary: Json, out: Path) -> None:
    """Write `out`/speed.json and `out`/roofline.svg.

    Raises:
        WriteError: the disk does not take them.
    """
    try:
        out.mkdir(parents=True, exist_ok=True)
        atomic.write_file(out / "speed.json", (json.dumps(summary, indent=2) + "\n").encode())
        atomic.write_file(out / "roofline.svg", roofline_svg(summary).encode())
    except OSError as error:
        raise WriteError(out, error.strerror or str(error)) from error


def speed_tables(summary: Json) -> list[tuple[str, Table]]:
    """Titled tables: limits, layouts, and the model and its peers where they were measured.

    A percentage is the fraction of the limit with the same threads, in the same rounds.
    """
    tables = [("Limits of this machine", _limits(summary)), ("Layouts", _layouts(summary))]
    if without := summary["multiplier_free"]:
        in_use = summary["machine"]["instruction_set"]
        title = f"Without multiplication: {without[0]['instruction_set']}, and how fast it is beside {in_use}"
        tables.append((title, _multiplier_free(without)))
    if model := summary["model"]:
        tables.append((f"{model['name']}: {model['parameters'] / 1e6:.0f} M weights", _model(model)))
    if against := summary["against"]:
        tables.append((f"{against['name']} ({against['version']}), in turn with ours", _against(against["results"])))
    return tables


def _limits(summary: Json) -> Table:
    limits = summary["limits"]
    table = _table("threads", "read GB/s", "int8 GOPS")
    for threads, read in limits["read_gbps"].items():
        table.add_row(threads, f"{read:.1f}", f"{limits['int8_gops'][threads]:.0f}")
    return table


def _layouts(summary: Json) -> Table:
    prompts = sorted({row["tokens"] for row in summary["prefill"]})
    heads = [f"{tokens} tokens\nGOPS" for tokens in prompts]
    table = _table("layout", "bits", "threads", "decode\nGB/s", *heads)
    for row in summary["decode"]:
        same = [p for p in summary["prefill"] if (p["layout"], p["threads"]) == (row["layout"], row["threads"])]
        cells = {p["tokens"]: _of_limit(f"{p['value']:.0f}", p["fraction"]) for p in same}
        name, held = row["layout"], summary["in_memory"][row["layout"]]
        table.add_row(
            name if name == held else f"{name}\n  as {held}",
            f"{row['bits']:.2f}",
            str(row["threads"]),
            _of_limit(f"{row['value']:.1f}", row["fraction"]),
            *(cells.get(tokens, "") for tokens in prompts),
        )
    return table


def _multiplier_free(rows: Sequence[Json]) -> Table:
    prompts = sorted({row["tokens"] for row in rows} - {1})
    heads = [head for tokens in prompts for head in (f"{tokens} tokens\nGOPS", "beside")]
    table = _table("layout", "bits", "threads", "decode\nGB/s", "beside", *heads)
    by_case = {(row["layout"], row["threads"], row["tokens"]): row for row in rows}
    for layout, threads, tokens in by_case:
        if tokens != 1:
            continue
        cells: list[str] = []
        for count in (1, *prompts):
            row = by_case[layout, threads, count]
            value = f"{row['value']:.1f}" if count == 1 else f"{row['value']:.0f}"
            cells += [_of_limit(value, row["fraction"]), f"x{row['ratio']:.2f}"]
        table.add_row(layout, f"{by_case[layout, threads, 1]['bits']:.2f}", str(threads), *cells)
    return table


def _model(model: Json) -> Table:
    table = _table("threads", "decode\ntokens/s", "prefill\ntokens/s", "beyond\nlinears", "start", "without\nchecksums")
    for threads, decode in model["decode_tokens_per_second"].items():
        prefill = model["prefill_tokens_per_second"][threads]
        table.add_row(
            threads,
            _of_limit(f"{decode:.1f}", model["fraction"][threads]),
            _of_limit(f"{prefill:.1f}", model["prefill_fraction"][threads]),
            _percent(model["beyond_linears"][threads]),
            f"{model['start_seconds'][threads]:.2f} s",
            f"{model['start_unverified_seconds'][threads]:.2f} s",
        )
    return table


def _against(rows: Sequence[Json]) -> Table:
    table = _table("type", "threads", "decode\ntokens/s", "ours", "prefill\ntokens/s", "ours")
    for row in rows:
        if "skipped" in row:
            table.add_row(row["type"], "", row["skipped"], "", "", "")
            continue
        table.add_row(
            row["type"],
            str(row["threads"]),
            f"{row['decode_tokens_per_second']:.1f}",
            f"x{row['decode_ratio']:.2f}",
            f"{row['prefill_tokens_per_second']:.1f}",
            f"x{row['prefill_ratio']:.2f}",
        )
    return table


def _of_limit(value: str, fraction: float) -> str:
    return f"{value} {_percent(fraction):>7}"


def _percent(share: float) -> str:
    return f"{100 * share:.1f} %"


def _table(*heads: str) -> Table:
    table = Table(box=box.SIMPLE_HEAD, pad_edge=False, padding=(0, 1, 0, 0), show_edge=False)
    table.add_column(heads[0], no_wrap=True)
    for head in heads[1:]:
        table.add_column(head, justify="right", no_wrap=True)
    return table

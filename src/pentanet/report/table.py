"""The bench as a terminal table, as markdown, and its comparisons as lines.

Everything here prints in 100 columns and in ASCII but for the table's rules, so that it can be pasted anywhere.
"""

from __future__ import annotations

from collections import Counter

from rich import box
from rich.table import Table
from rich.text import Text

from pentanet.report.formats import clock, duration, number, percent, signed, size
from pentanet.report.records import Arm, Bench, Difference
from pentanet.report.verdicts import caveat, contrast_numbers, interval, plain

UNITS = {"val_loss": "nats", "packed_val_loss": "nats", "bits_per_byte": "bits per byte", "perplexity": "perplexity"}


def bench_table(bench: Bench) -> Table:
    """The table that the command prints: two lines per method, the second with spreads and lesser numbers."""
    control = _column_control(bench)
    # A long name may wrap, numbers may not.
    table = Table(box=box.SIMPLE_HEAD, pad_edge=False, padding=(0, 1, 0, 0), show_edge=False)
    table.add_column("method", overflow="fold", min_width=14)
    headings = ["val loss\n+- sd", "perplexity\n+- sd", "bits file\nbits grid", "file", "zeros\nflips", "time"]
    if control is not None:
        headings.insert(2, f"to {control}\n95 % interval")
    for heading in headings:
        table.add_column(Text(heading), justify="right", no_wrap=True)
    for arm in bench.arms:
        cells = [Text.assemble(first, (f"\n{second}", "dim")) for first, second in _cells(bench, arm, control)]
        table.add_row(Text(arm.name), *cells)  # Text, not str: brackets in a name are not markup
    return table


def comparison_lines(bench: Bench) -> list[str]:
    """One line per comparison: "pentanary - ternary: -0.021 nats [-0.050, +0.010], n=3: not distinguishable"."""
    return [_line(d) for d in bench.differences]


def question_lines(bench: Bench) -> list[str]:
    """One line per question that takes more than two methods: "holds: ... (-0.020 nats [-0.030, -0.010], 3 seeds)"."""
    return [plain(f"{c.verdict}: {c.title} ({contrast_numbers(c)})") for c in bench.contrasts]


def occupancy_lines(bench: Bench) -> list[str]:
    """One line per method with levels: the share of the weights on each, mean over seeds."""
    arms = [arm for arm in bench.arms if arm.occupancy()]
    width = max((len(arm.name) for arm in arms), default=0)
    return [
        f"{arm.name:{width}}  " + "  ".join(f"{level}: {100 * share:.2f} %" for level, share in arm.occupancy().items())
        for arm in arms
    ]


def packing_line(bench: Bench) -> str:
    """Whether the packed models, read back, have the loss that training ended with."""
    gaps = [
        (f"{arm.name}, seed {seed}", result["packed_gap"])
        for arm in bench.arms
        for seed, result in arm.seeds.items()
        if isinstance(result.get("packed_gap"), int | float)
    ]
    lost = [f"{name}: {gap:+.3g} nats" for name, gap in gaps if gap != 0]
    if lost:
        return (
            f"{len(lost)} of {len(gaps)} packed models, read back, have another loss than training: {'; '.join(lost)}"
        )
    return f"{len(gaps)} packed models, read back from disk: the loss is exactly that of training in each"


def markdown_table(bench: Bench) -> str:
    """The table as GitHub markdown, with a difference column for each control; ends with a newline."""
    heads = ["method", "val loss", "perplexity", *(f"difference to {c}" for c in bench.control_methods)]
    heads += ["bits/weight (file)", "bits/weight (grid)", "file", "zeros", "flips", "time"]
    rows = [heads, ["---"] + ["---:"] * (len(heads) - 1)]
    for arm in bench.arms:
        cells = [" ".join(filter(None, pair)) for c in bench.control_methods for pair in [_difference(bench, arm, c)]]
        mean = arm.mean.get
        row = [
            " ".join(filter(None, _spread(arm, "val_loss", 3))),
            " ".join(filter(None, _spread(arm, "perplexity", 1))),
        ]
        row += [*cells, number(mean("file_bits_per_weight"), 2), number(mean("quantized_bits_per_weight"), 2)]
        row += [size(mean("bytes")), percent(mean("zero_fraction"), 1), percent(mean("flip_rate"))]
        rows.append([f"`{arm.name}`", *(plain(cell) for cell in [*row, duration(mean("seconds"))])])
    lines = (" | ".join(cell.replace("|", r"\|") for cell in row) for row in rows)
    return "".join(f"| {line} |\n" for line in lines)


def _column_control(bench: Bench) -> str | None:
    """The method that most arms are compared with, of whatever size."""
    arms = filter(None, (bench.arm(d.control) for d in bench.losses))
    counts = Counter(arm.method for arm in arms)
    return counts.most_common(1)[0][0] if counts else None


def _cells(bench: Bench, arm: Arm, control: str | None) -> list[tuple[str, str]]:
    mean = arm.mean.get
    cells = [
        _spread(arm, "val_loss", 3),
        _spread(arm, "perplexity", 1),
        (number(mean("file_bits_per_weight"), 2), number(mean("quantized_bits_per_weight"), 2)),
        (size(mean("bytes")), ""),
        (percent(mean("zero_fraction"), 1), percent(mean("flip_rate"))),
        (clock(mean("seconds")), ""),
    ]
    if control is not None:
        cells.insert(2, _difference(bench, arm, control))
    return [(plain(first), plain(second)) for first, second in cells]


def _spread(arm: Arm, metric: str, decimals: int) -> tuple[str, str]:
    sd = arm.sd.get(metric)
    return number(arm.mean.get(metric), decimals), "" if sd is None else f"+-{number(sd, decimals)}"


def _difference(bench: Bench, arm: Arm, control: str) -> tuple[str, str]:
    d = bench.against(arm.name, control)
    return (signed(d.difference, 3), interval(d)) if d else ("", "")


def _line(d: Difference) -> str:
    text = f"{d.method} - {d.control}: "
    if d.difference is not None:
        brackets = f" {interval(d)}" if interval(d) else ""
        text += f"{signed(d.difference, 3)} {UNITS.get(d.metric, d.metric)}{brackets}, n={d.n}: "
    note = f", but {caveat(d)}" if caveat(d) else ""
    return plain(f"{text}{d.verdict}{note}")

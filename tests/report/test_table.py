from io import StringIO
from pathlib import Path
from typing import Any

from rich.console import Console

from pentanet.report.records import parse
from pentanet.report.table import (
    bench_table,
    comparison_lines,
    markdown_table,
    occupancy_lines,
    packing_line,
    question_lines,
)

Bench = tuple[Path, dict[str, Any]]


def printed(summary: dict[str, Any]) -> str:
    file = StringIO()
    Console(file=file, width=100).print(bench_table(parse(summary)))
    return file.getvalue()


def test_the_table_prints_in_a_hundred_columns(bench: Bench) -> None:
    summary = bench[1]
    text = printed(summary)
    assert "\u2026" not in text and max(map(len, text.splitlines())) <= 100
    for name, arm in summary["methods"].items():
        rows = [line for line in text.splitlines() if line.startswith(name)]
        assert len(rows) == 1 and f"{arm['mean']['val_loss']:.3f}" in rows[0]
    difference = next(c for c in summary["comparisons"] if c["method"] == "pentanary")
    assert f"[{difference['low']:+.3f}, {difference['high']:+.3f}]" in text


def test_long_numbers_fit_too(bench: Bench) -> None:
    arm = {"mean": {"val_loss": 10.825, "perplexity": 50_257.4, "bytes": 249_990_000, "seconds": 35_999}, "seeds": {}}
    arm["mean"] |= {"file_bits_per_weight": 16.01, "quantized_bits_per_weight": 16, "zero_fraction": 0.999}
    arm["sd"] = {"val_loss": 0.123, "perplexity": 1_234.5}
    text = printed({**bench[1], "methods": {"full-precision": arm, "lsq-pentanary": arm}})
    assert "\u2026" not in text and max(map(len, text.splitlines())) <= 100
    for words in ("10.825", "50 257.4", "+-1 234.5", "249.99 MB", "9:59:59", "99.9 %"):
        assert text.count(words) == 2


def test_the_numbers_are_ascii(bench: Bench) -> None:
    assert "".join(comparison_lines(parse(bench[1]))).isascii() and markdown_table(parse(bench[1])).isascii()
    assert printed(bench[1]).replace("\u2500", "").isascii()


def test_a_line_per_comparison() -> None:
    row = {"method": "pentanary", "control": "ternary", "metric": "val_loss", "n": 3, "difference": -0.021}
    row |= {"low": -0.05, "high": 0.01, "p": 0.1, "p_holm": 0.1, "verdict": "not distinguishable"}
    one = {**row, "n": 1, "low": None, "high": None, "verdict": "one seed: no interval"}
    none = {**one, "n": 0, "difference": None, "verdict": "no common seed"}
    bits = {**row, "metric": "bits_per_byte"}
    summary = {"methods": {"pentanary": {"mean": {}, "seeds": {}}}, "comparisons": [row, one, none, bits]}
    assert comparison_lines(parse(summary)) == [
        "pentanary - ternary: -0.021 nats [-0.050, +0.010], n=3: not distinguishable",
        "pentanary - ternary: -0.021 nats, n=1: one seed: no interval",
        "pentanary - ternary: no common seed",
        "pentanary - ternary: -0.021 bits per byte [-0.050, +0.010], n=3: not distinguishable",
    ]


def test_a_line_per_question(bench: Bench) -> None:
    row = {"title": "five close half", "n": 3, "estimate": -0.02, "low": -0.03, "high": -0.01, "p": 0.01}
    lines = question_lines(parse({**bench[1], "contrasts": [{**row, "verdict": "holds"}]}))
    assert (
        lines == ["holds: five close half (-0.020 nats [-0.030, -0.010], 3 seeds)"]
        and question_lines(parse(bench[1])) == []
    )


def test_markdown_has_a_column_for_each_control(bench: Bench) -> None:
    lines = markdown_table(parse(bench[1])).splitlines()
    assert len({line.count("|") for line in lines}) == 1
    for control in ("full-precision", "ternary", "bitnet-seed"):
        assert f"| difference to {control} |" in lines[0]
    assert len(lines) == 2 + len(bench[1]["methods"])


def test_brackets_and_bars_in_a_name_are_only_text() -> None:
    summary = {"methods": {"[red]a|b": {"mean": {"val_loss": 1.5}, "seeds": {}}}}
    assert "[red]a|b" in printed(summary)
    assert r"`[red]a\|b`" in markdown_table(parse(summary))


def test_occupancy_and_packing_are_told_in_words(bench: Bench) -> None:
    summary = bench[1]
    lines = occupancy_lines(parse(summary))
    assert any(line.startswith("pentanary ") and line.count("%") == 5 for line in lines)
    assert not any(line.startswith("full-precision") for line in lines)
    for arm in summary["methods"].values():
        for result in arm["seeds"].values():
            result["packed_gap"] = 0.0
    assert packing_line(parse(summary)).endswith("the loss is exactly that of training in each")
    next(iter(summary["methods"]["ternary"]["seeds"].values()))["packed_gap"] = 1e-6
    assert "have another loss than training: ternary, seed" in packing_line(parse(summary))

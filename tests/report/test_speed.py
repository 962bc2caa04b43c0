from __future__ import annotations

import io
import json
from pathlib import Path
from typing import Any

import pytest
from rich.console import Console

from pentanet.errors import WriteError
from pentanet.report.speed import save, speed_tables


def row(threads: int, tokens: int, value: float, fraction: float) -> dict[str, Any]:
    unit = "GB/s" if tokens == 1 else "GOPS"
    shared = {"layout": "pentanary-7bit", "bits": 2.6667, "threads": threads, "rows": 64, "cols": 96}
    return {**shared, "tokens": tokens, "value": value, "unit": unit, "fraction": fraction}


@pytest.fixture
def summary() -> dict[str, Any]:
    tables = ("decode_tokens_per_second", "prefill_tokens_per_second", "fraction", "prefill_fraction")
    model = {name: {"1": 0.5 + index} for index, name in enumerate(tables)}
    rest = {"beyond_linears": {"1": 0.071}, "start_seconds": {"1": 0.44}, "start_unverified_seconds": {"1": 0.11}}
    peer = {
        "decode_tokens_per_second": 50.0,
        "prefill_tokens_per_second": 99.0,
        "decode_ratio": 2.5,
        "prefill_ratio": 3.25,
    }
    return {
        "machine": {"cpu": "some cpu", "instruction_set": "avx2"},
        "limits": {"read_gbps": {"1": 19.94}, "int8_gops": {"1": 401.2}},
        "decode": [row(1, 1, 17.05, 0.855)],
        "prefill": [row(1, 128, 300.4, 0.75), row(1, 512, 320.0, 0.8)],
        "in_memory": {"pentanary-7bit": "pentanary-nibbles"},
        "multiplier_free": [
            {**row(1, 1, 8.04, 0.4), "instruction_set": "shift-add-avx2", "ratio": 0.471},
            {**row(1, 128, 77.2, 0.193), "instruction_set": "shift-add-avx2", "ratio": 0.257},
        ],
        "model": {"name": "llama-778m", "parameters": 778_000_000, **model, **rest},
        "against": {
            "name": "llama.cpp",
            "version": "9.9",
            "results": [{"type": "Q2_K", "skipped": "no fit"}, {"type": "Q4_0", "threads": 1, **peer}],
        },
    }


def printed(summary: dict[str, Any]) -> str:
    out = io.StringIO()
    console = Console(file=out, width=100)
    for title, table in speed_tables(summary):
        console.print(title, table, sep="\n")
    return out.getvalue()


def test_numbers_stand_with_their_fractions(summary: dict[str, Any]) -> None:
    text = " ".join(printed(summary).split())
    assert "1 19.9 401" in text
    assert "pentanary-7bit 2.67 1 17.1 85.5 % 300 75.0 % 320 80.0 % as pentanary-nibbles" in text
    assert "Without multiplication: shift-add-avx2, and how fast it is beside avx2" in text
    assert "pentanary-7bit 2.67 1 8.0 40.0 % x0.47 77 19.3 % x0.26" in text
    assert "llama-778m: 778 M weights" in text
    assert "1 0.5 250.0 % 1.5 350.0 % 7.1 % 0.44 s 0.11 s" in text
    assert "llama.cpp (9.9)" in text
    assert "Q4_0 1 50.0 x2.50 99.0 x3.25" in text
    assert "Q2_K no fit" in text


def test_what_was_not_measured_is_not_there(summary: dict[str, Any]) -> None:
    summary |= {"model": None, "against": None, "multiplier_free": []}
    assert [title for title, _ in speed_tables(summary)] == ["Limits of this machine", "Layouts"]


def test_files(summary: dict[str, Any], tmp_path: Path) -> None:
    save(summary, tmp_path / "a/b")
    assert json.loads((tmp_path / "a/b/speed.json").read_text()) == summary
    assert (tmp_path / "a/b/roofline.svg").read_text().startswith("<svg ")
    (tmp_path / "file").write_text("")
    with pytest.raises(WriteError, match="file"):
        save(summary, tmp_path / "file")

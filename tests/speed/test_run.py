"""The summary has the keys that others rely on, and numbers that can be measurements.  No test knows a speed."""

from __future__ import annotations

import json
import math
from pathlib import Path

import pytest

from pentanet.errors import EngineError
from pentanet.format.layouts import LAYOUTS
from pentanet.speed import layouts, multiplier_free, speed, speed_settings
from pentanet.speed.rounds import Limits

SCHEMA = Path(__file__).with_name("schema.txt")
SETTINGS = speed_settings(quick=True)
IN_MEMORY = {  # bytes and inputs of a group
    "pentanary-nibbles": (64, 12),
    "pentanary-planes": (448, 96),
    "ternary-3in5": (320, 96),
    "sparse-ternary-words": (160, 64),
}


def form(value):
    """What a key holds: names of its own keys, or its type."""
    if isinstance(value, dict):
        return " ".join(sorted(value) if set(value) <= set(LAYOUTS) else value)
    return "str | None" if value is None or isinstance(value, str) else type(value).__name__


def test_keys_are_those_that_others_rely_on(summary):
    """A new key is a new word in schema.txt; one that goes breaks somebody's script."""
    lines = []
    for key, value in sorted(summary.items()):
        if isinstance(value, list):
            lines += sorted({f"{key}[]: {form(row)}" for row in value})
        elif key == "against":
            lines.append(f"{key}: {type(value).__name__}")
        else:
            lines.append(f"{key}: {'str' if isinstance(value, str) and key != 'commit' else form(value)}")
    assert "\n".join(lines) + "\n" == SCHEMA.read_text(encoding="utf-8")


def test_it_is_json(summary):
    assert json.loads(json.dumps(summary, allow_nan=False)) == summary


def test_limits_are_by_thread_count(summary):
    threads = [str(count) for count in summary["machine"]["threads"]]
    for limit in ("read_gbps", "int8_gops"):
        assert list(summary["limits"][limit]) == threads
        assert all(positive(value) for value in summary["limits"][limit].values())


def test_every_layout_and_thread_count_is_there_once(summary):
    threads = summary["machine"]["threads"]
    decode = [(row["layout"], row["threads"], row["tokens"]) for row in summary["decode"]]
    prefill = [(row["layout"], row["threads"], row["tokens"]) for row in summary["prefill"]]
    assert decode == [(name, count, 1) for name in LAYOUTS for count in threads]
    assert prefill == [(name, count, tokens) for name in LAYOUTS for count in threads for tokens in (128, 512)]
    assert (len(summary["spread"]["decode"]), len(summary["spread"]["prefill"])) == (len(decode), len(prefill))


def test_rows_are_measurements(summary):
    for kind, unit in (("decode", "GB/s"), ("prefill", "GOPS")):
        for row in summary[kind]:
            assert row["unit"] == unit
            assert (row["rows"], row["cols"]) == (SETTINGS.rows, SETTINGS.cols)
            assert positive(row["value"]) and positive(row["fraction"])
    assert all(math.isfinite(value) and value >= 0 for kind in summary["spread"].values() for value in kind)


def test_doing_without_multiplication_is_measured_beside(summary):
    threads = summary["machine"]["threads"]
    rows = summary["multiplier_free"]
    assert [(row["layout"], row["threads"], row["tokens"]) for row in rows] == [
        (name, count, tokens) for name in LAYOUTS for count in threads for tokens in (1, 128)
    ]
    for row in rows:
        assert row["instruction_set"].startswith("shift-add")
        assert all(positive(row[key]) for key in ("value", "fraction", "ratio", "bits"))
        assert row["unit"] == ("GB/s" if row["tokens"] == 1 else "GOPS")


def test_beside_compares_weights_not_bytes():
    shared = {"layout": "ternary-5in8", "threads": 1, "rows": 4, "cols": 4, "value": 1.0}
    used = layouts.Row(**shared, bits=1.6, tokens=1, unit="GB/s", fraction=0.8)
    row = layouts.Row(**shared, bits=2.0, tokens=1, unit="GB/s", fraction=0.5)
    assert multiplier_free.beside("shift-add", row, used)["ratio"] == pytest.approx(0.5)
    used = layouts.Row(**shared, bits=1.6, tokens=128, unit="GOPS", fraction=0.8)
    row = layouts.Row(**shared, bits=2.0, tokens=128, unit="GOPS", fraction=0.5)
    assert multiplier_free.beside("shift-add", row, used)["ratio"] == pytest.approx(0.625)


def test_a_set_without_multiplication_is_not_measured_beside_itself(monkeypatch):
    monkeypatch.setenv("PENTANET_ISA", "shift-add")
    found = speed(speed_settings(quick=True, threads=[1], layouts=["byte"], model="none"))
    assert found["machine"]["instruction_set"] == "shift-add"
    assert (len(found["decode"]), found["multiplier_free"]) == (1, [])


def test_bits_are_those_of_the_layout_in_memory(summary):
    for row in summary["decode"]:
        held = summary["in_memory"][row["layout"]]
        if held in LAYOUTS:
            size = LAYOUTS[held].packed_size(SETTINGS.rows, SETTINGS.cols)
        else:
            group_bytes, inputs = IN_MEMORY[held]
            size = group_bytes * (SETTINGS.rows // 16) * -(-SETTINGS.cols // inputs)
        assert row["bits"] == pytest.approx(8 * (size + 4 * SETTINGS.rows) / (SETTINGS.rows * SETTINGS.cols))


def test_model_is_by_thread_count(summary):
    model = summary["model"]
    threads = [str(count) for count in summary["machine"]["threads"]]
    tables = {key: value for key, value in model.items() if isinstance(value, dict)}
    assert len(tables) == 7
    for name, table in tables.items():
        assert list(table) == threads, name
        assert all(math.isfinite(value) and (value > 0 or name == "beyond_linears") for value in table.values()), name
    assert all(share < 1 for share in model["beyond_linears"].values())


def test_progress_counts_every_step(summary, told):
    assert [progress.step for progress in told] == list(range(told[0].steps))
    assert len({progress.note for progress in told}) == len(told)


def test_rows_time_as_many_tokens_as_they_say():
    class Clock:
        threads, asked = 1, list[tuple[int, bool]]()

        def products(self, matrices, *, tokens, read, seconds):
            self.asked.append((tokens, read))
            return [1.0], [1.0]

    clock, matrices = Clock(), layouts.make("byte", SETTINGS, "scalar")
    assert matrices.decode(clock, Limits())[0].tokens == 1
    assert matrices.prefill(clock, 128, Limits())[0].tokens == 128
    assert clock.asked == [(1, True), (128, False)]


def test_nothing_but_what_was_asked_for():
    found = speed(speed_settings(quick=True, threads=[1], layouts=["byte"], model="none"))
    assert [row["layout"] for row in found["decode"]] == ["byte"]
    assert (found["model"], found["against"]) == (None, None)


def test_a_missing_engine_is_said(monkeypatch):
    monkeypatch.setattr("pentanet.kernels.native._NAME", "pentanet._not_there")
    with pytest.raises(EngineError, match="compiler"):
        speed(SETTINGS)


def positive(value):
    return math.isfinite(value) and value > 0

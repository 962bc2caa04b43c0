"""One arm, in this process: trained, packed, measured, and not again."""

from __future__ import annotations

import dataclasses
import json
import signal
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest
import torch

from pentanet.bench import arm
from pentanet.bench.arm import MODEL, RESULT, Job, coded_size, finished, run_job
from pentanet.bench.summary import METRICS
from pentanet.data.dataset import Dataset
from pentanet.data.prepare import prepare
from pentanet.format.model_dir import open_model
from pentanet.quant import METHODS
from pentanet.runtime.inspect import Inspection, TensorRow
from pentanet.training.config import TrainConfig
from pentanet.training.run import read_record

Make = Callable[..., Job]


class Channel:
    def __init__(self) -> None:
        self.items: list[tuple[str, int, int, float]] = []

    def put(self, item: tuple[str, int, int, float]) -> None:
        self.items.append(item)


@pytest.fixture(autouse=True)
def _as_it_was() -> Iterator[None]:
    threads = torch.get_num_threads()
    yield
    torch.set_num_threads(threads)
    arm._STOPPED.clear()


@pytest.fixture
def make(configure: Callable[..., TrainConfig], tiny: Dataset, tmp_path: Path) -> Make:
    def job(*pairs: str, dataset: Dataset = tiny) -> Job:
        config = configure("llama", *pairs)
        name = config.weights.method
        return Job(arm=name, config=config, dataset=dataset.path, folder=tmp_path / "run", threads=1)

    return job


def times(folder: Path) -> dict[str, int]:
    return {str(path): path.stat().st_mtime_ns for path in folder.rglob("*") if path.is_file()}


@pytest.mark.parametrize("method", METHODS)
def test_the_row_of_an_arm(make: Make, tmp_path: Path, method: str) -> None:
    channel, job = Channel(), make(f"weights.method={method}", "model.layers=1")
    row = run_job(job, channel)
    assert json.loads((tmp_path / "run" / RESULT).read_text()) == row
    record = read_record(tmp_path / "run")
    assert row["packed_val_loss"] == row["val_loss"] == record["val_loss"]
    assert row["packed_gap"] == 0
    assert set(METRICS) <= row.keys()
    assert row["bytes"] == open_model(tmp_path / "run" / MODEL).nbytes
    assert row["file_bits_per_weight"] == pytest.approx(row["bytes"] * 8 / row["parameters"])
    assert channel.items[-1][:3] == (f"{method}/seed-0", 3, 3)
    grid = METHODS[method].grid
    if grid is None:
        assert (row["zero_fraction"], row["occupancy"], row["flip_rate"]) == (None, None, None)
        assert (row["entropy_bits"], row["coded_bytes"]) == (None, row["bytes"])
    else:
        assert row["zero_fraction"] == row["occupancy"].get("0", 0.0)
        assert row["quantized_bits_per_weight"] >= grid.bits
        assert 0 < row["entropy_bits"] <= grid.bits
        assert row["coded_bytes"] <= row["bytes"]


def test_a_finished_arm_is_not_run_again(make: Make, tmp_path: Path) -> None:
    channel = Channel()
    row = run_job(make(), channel)
    before, told = times(tmp_path / "run"), len(channel.items)
    assert finished(make()) == row
    assert run_job(make(), channel) == row
    assert times(tmp_path / "run") == before
    assert len(channel.items) == told


def test_what_is_not_finished(make: Make, tmp_path: Path, tiny: Dataset) -> None:
    assert finished(make()) is None
    run_job(make(), Channel())
    assert finished(make()) is not None
    assert finished(make("steps=4")) is None
    text = tmp_path / "text.txt"
    text.write_text("".join(f"other words {i}\n" for i in range(1000)), encoding="utf-8")
    other = prepare(text, tmp_path / "set", tokenizer=str(tiny.path / "tokenizer.json"), eos="line")
    assert finished(make(dataset=other)) is None
    (tmp_path / "run" / RESULT).write_text('{"val_lo')
    assert finished(make()) is None


def test_a_trained_arm_that_was_not_measured_is_measured(make: Make, tmp_path: Path) -> None:
    row = run_job(make(), Channel())
    record = (tmp_path / "run/record.json").stat().st_mtime_ns
    (tmp_path / "run" / RESULT).unlink()
    assert run_job(make(), Channel()) == row
    assert (tmp_path / "run/record.json").stat().st_mtime_ns == record


def test_the_same_prompt_begins_every_sample(make: Make, tiny: Dataset) -> None:
    row = run_job(make(), Channel())
    start = tiny.tokenizer.decode([int(i) for i in tiny.split("valid").tokens[: arm.PROMPT_TOKENS]])
    assert row["sample"].startswith(start)
    assert row["sample"] != start


@pytest.mark.parametrize(
    ("pairs", "message"),
    [
        (("optimizer.lr=1e38", "schedule.warmup=0", "steps=5"), "step 1: the |step 2: the |step 3: the "),
        (("device=cuda:77",), "device = 'cuda:77'"),
        (("model.context=100000",), "tokens, but one window"),
    ],
)
def test_a_failure_is_a_row_that_says_why(make: Make, pairs: tuple[str, ...], message: str) -> None:
    row = run_job(make(*pairs), Channel())
    assert row.keys() == {"error"}
    assert any(part in row["error"] for part in message.split("|"))


def test_another_run_in_its_folder_is_a_failure(make: Make) -> None:
    run_job(make(), Channel())
    assert "holds a run with 'steps = 3', not 'steps = 4'" in run_job(make("steps=4"), Channel())["error"]


def test_a_stopped_arm_begins_no_other(make: Make, monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    real: Any = arm._teller

    def stopping(job: Job, channel: Any) -> Callable[[Any], None]:
        tell = real(job, channel)

        def told(progress: Any) -> None:
            if progress.step == 2:
                signal.raise_signal(signal.SIGTERM)
            tell(progress)

        return told

    with monkeypatch.context() as patch:
        patch.setattr(arm, "_teller", stopping)
        row = run_job(make(), Channel())
    assert row == {"error": "stopped at step 2 of 3; the same command continues", "signal": signal.SIGTERM}
    assert run_job(make(), Channel()) == {"error": "stopped before it began", "signal": signal.SIGTERM}
    arm._STOPPED.clear()
    channel = Channel()
    assert run_job(make(), channel)["packed_gap"] == 0
    assert {item[1] for item in channel.items} == {3}  # it went on from the second step


def test_coded_size_by_hand() -> None:
    shape = {"shape": (8, 8), "parameters": 64, "occupancy": None, "zero_fraction": None, "bits_per_weight": 0.0}
    rows = (
        TensorRow(name="a", storage="pentanary-7bit", grid="pentanary", bytes=40, entropy=2.0, **shape),
        TensorRow(name="b", storage="sparse-ternary-5bit", grid="ternary", bytes=20, entropy=1.5, **shape),
        TensorRow(name="c", storage="byte", grid="int8", bytes=64, entropy=5.0, **shape),
        TensorRow(name="d", storage="bfloat16", grid=None, bytes=128, entropy=None, **shape),
    )
    common = {"path": "", "method": "", "parameters": 256, "quantized_parameters": 128, "file_bits_per_weight": 0.0}
    common |= {"quantized_bits_per_weight": 0, "entropy": None, "occupancy": None, "zero_fraction": None}
    packed = Inspection(rows=rows, bytes=1000, sealed=True, unsealed=(), **common)
    found = coded_size(packed)
    assert found["entropy_bits"] == pytest.approx((2.0 + 1.25) / 2)  # the sparse layout is shorter than its entropy
    assert found["coded_bytes"] == round(1000 - (7 / 3 - 2) * 64 / 8)
    nothing = dataclasses.replace(packed, rows=rows[2:])
    assert coded_size(nothing) == {"entropy_bits": None, "coded_bytes": 1000}

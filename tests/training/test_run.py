"""A run in its directory: claimed, interrupted, resumed, recorded."""

from __future__ import annotations

import json
import math
import shutil
import signal
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from pentanet.atomic import write_file
from pentanet.config import to_toml
from pentanet.data.dataset import Dataset
from pentanet.data.prepare import prepare
from pentanet.errors import CheckpointError, ConfigError, MissingFileError, NonFiniteLossError, RecordError, WriteError
from pentanet.nn import count_parameters
from pentanet.training.checkpoint import WEIGHTS, fingerprint
from pentanet.training.config import TrainConfig
from pentanet.training.loop import Loop, Progress, new_network
from pentanet.training.run import Interrupted, read_config, read_data, read_record, train

Configure = Callable[..., TrainConfig]


def checkpoints(run: Path) -> list[Path]:
    return sorted((run / "checkpoints").glob("step_*"))


def files(run: Path) -> dict[str, tuple[int, bytes]]:
    found = [path for path in sorted(run.rglob("*")) if path.is_file()]
    return {str(path.relative_to(run)): (path.stat().st_mtime_ns, path.read_bytes()) for path in found}


def assert_same_run(run: Path, reference: Path) -> None:
    assert (run / "metrics.jsonl").read_bytes() == (reference / "metrics.jsonl").read_bytes()
    assert fingerprint(checkpoints(run)[-1]) == fingerprint(checkpoints(reference)[-1])
    assert {**read_record(run), "seconds": 0} == {**read_record(reference), "seconds": 0}


def raise_at(step: int, number: signal.Signals) -> Callable[[Progress], None]:
    def progress(now: Progress) -> None:
        if now.step == step:
            signal.raise_signal(number)

    return progress


def test_the_record_of_a_run(configure: Configure, tiny: Dataset, tmp_path: Path) -> None:
    config = configure("llama", "weights.method=ternary", "eval_tokens=1")
    record = train(config, tmp_path / "run", tiny)
    assert record == read_record(tmp_path / "run") == json.loads((tmp_path / "run/record.json").read_text())
    assert read_config(tmp_path / "run") == config
    assert read_data(tmp_path / "run") == {"name": tiny.name, "fingerprint": tiny.fingerprint, "vocab": tiny.vocab}
    assert (tmp_path / "run/tokenizer.json").read_bytes() == (tiny.path / "tokenizer.json").read_bytes()
    assert (record["method"], record["seed"], record["steps"], record["tokens"]) == ("ternary", 0, 3, 3 * 2 * 16)
    assert (record["parameters"], record["quantized_parameters"]) == count_parameters(new_network(config, tiny.vocab))
    assert record["perplexity"] == pytest.approx(math.exp(record["val_loss"]))
    per_token = record["val_loss"] / math.log(2)
    assert record["bits_per_byte"] == pytest.approx(per_token * tiny.tokens("valid") / tiny.bytes("valid"))
    assert list(record["occupancy"]) == ["-1", "0", "1"]
    assert 0 < record["flip_rate"] < 1
    assert 0 < record["moved"] < 1
    assert record["checkpoint"] == fingerprint(tmp_path / "run" / record["checkpoint_dir"])
    assert record["precision"] == "float32"
    assert record["device"] == "cpu"


def test_full_precision_has_no_levels_to_report(configure: Configure, tiny: Dataset, tmp_path: Path) -> None:
    record = train(configure("llama", "weights.method=full-precision"), tmp_path, tiny)
    assert (record["occupancy"], record["zero_fraction"], record["flip_rate"], record["moved"]) == (None,) * 4


def test_a_finished_run_is_left_alone(configure: Configure, tiny: Dataset, tmp_path: Path) -> None:
    record = train(configure(), tmp_path, tiny)
    before = files(tmp_path)
    assert train(configure(), tmp_path, tiny, progress=lambda _: pytest.fail("trained again")) == record
    assert files(tmp_path) == before


def test_the_same_run_twice_is_the_same(configure: Configure, tiny: Dataset, tmp_path: Path) -> None:
    config = configure("gpt", "model.dropout=0.5")
    train(config, tmp_path / "a", tiny)
    train(config, tmp_path / "b", tiny)
    assert_same_run(tmp_path / "a", tmp_path / "b")


@pytest.mark.parametrize("number", [signal.SIGTERM, signal.SIGINT])
@pytest.mark.parametrize(
    "settings",
    [
        ("llama", "batch.windows=epoch", "optimizer.kind=muon", "weights.method=lsq-pentanary"),
        ("gpt", "batch.windows=random", "model.dropout=0.3", "eval_random_batches=1"),
    ],
    ids=["llama", "gpt"],
)
def test_stopped_and_resumed(
    configure: Configure, tiny: Dataset, tmp_path: Path, number: signal.Signals, settings: tuple[str, ...]
) -> None:
    config = configure(*settings, "steps=6", "checkpoint_every=4")
    train(config, tmp_path / "reference", tiny)
    run = tmp_path / "run"
    for step in (1, 3, 4):  # after a step without a checkpoint, with one, and with the one that is there already
        with pytest.raises(Interrupted, match=f"stopped at step {step} of 6; the same command continues") as caught:
            train(config, run, tiny, progress=raise_at(step, number))
        assert caught.value.signal == number
        assert isinstance(caught.value, KeyboardInterrupt)
        assert checkpoints(run)[-1].name == f"step_{step:08d}"
        assert not (run / "record.json").exists()
        with pytest.raises(MissingFileError, match=r"record.json.*Not a finished run; 'pentanet train' continues it"):
            read_record(run)
    seen: list[int] = []
    train(config, run, tiny, progress=lambda now: seen.append(now.step))
    assert seen == [5, 6]
    assert_same_run(run, tmp_path / "reference")


def test_stopped_before_the_first_step(
    configure: Configure, tiny: Dataset, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    config = configure("gpt", "eval_random_batches=1", "model.dropout=0.3")
    train(config, tmp_path / "reference", tiny)
    real = Loop._validate
    with monkeypatch.context() as patch:

        def validate(self: Loop, *before: Any) -> None:
            signal.raise_signal(signal.SIGTERM)
            real(self, *before)

        patch.setattr(Loop, "_validate", validate)
        with pytest.raises(Interrupted, match="stopped at step 0 of 3"):
            train(config, tmp_path / "run", tiny)
    train(config, tmp_path / "run", tiny)
    assert_same_run(tmp_path / "run", tmp_path / "reference")


def test_a_signal_in_the_last_step_changes_nothing(configure: Configure, tiny: Dataset, tmp_path: Path) -> None:
    assert train(configure(), tmp_path, tiny, progress=raise_at(3, signal.SIGTERM))["steps"] == 3


def interrupted(config: TrainConfig, run: Path, dataset: Dataset, step: int) -> None:
    with pytest.raises(Interrupted):
        train(config, run, dataset, progress=raise_at(step, signal.SIGTERM))


def test_a_damaged_checkpoint_costs_some_steps_and_a_warning(
    configure: Configure, tiny: Dataset, tmp_path: Path
) -> None:
    config = configure("llama", "steps=6", "checkpoint_every=1")
    train(config, tmp_path / "reference", tiny)
    run = tmp_path / "run"
    interrupted(config, run, tiny, 4)
    assert [path.name for path in checkpoints(run)] == ["step_00000003", "step_00000004"]
    with (checkpoints(run)[-1] / WEIGHTS).open("rb+") as file:
        file.seek(-1, 2)
        file.write(b"\xff" if file.read(1) != b"\xff" else b"\x00")
    warnings: list[str] = []
    seen: list[int] = []
    train(config, run, tiny, warn=warnings.append, progress=lambda now: seen.append(now.step))
    assert len(warnings) == 1
    assert "step_00000004" in warnings[0]
    assert seen == [4, 5, 6]
    assert_same_run(run, tmp_path / "reference")


def test_all_checkpoints_damaged(configure: Configure, tiny: Dataset, tmp_path: Path) -> None:
    config = configure("llama", "checkpoint_every=1")
    interrupted(config, tmp_path, tiny, 2)
    for path in checkpoints(tmp_path):
        (path / "manifest.json").unlink()
    with pytest.raises(CheckpointError, match="every checkpoint is damaged"):
        train(config, tmp_path, tiny, warn=lambda _: None)


def test_a_half_line_of_timing_troubles_nobody(configure: Configure, tiny: Dataset, tmp_path: Path) -> None:
    config = configure("llama", "steps=4", "checkpoint_every=1")
    for step in (1, 2):
        interrupted(config, tmp_path, tiny, step)
        with (tmp_path / "timing.jsonl").open("a") as file:
            file.write('{"step": 3, "sec')
    train(config, tmp_path, tiny)
    rows = [json.loads(line) for line in (tmp_path / "timing.jsonl").read_text().splitlines()]
    assert [row["step"] for row in rows] == [1, 2, 3, 4]
    assert [row["seconds"] for row in rows] == sorted(row["seconds"] for row in rows)


@pytest.mark.parametrize("finished", [True, False])
def test_another_run_or_other_tokens_are_refused(
    configure: Configure, tiny: Dataset, tmp_path: Path, finished: bool
) -> None:
    run = tmp_path / "run"
    if finished:
        train(configure(), run, tiny)
    else:
        interrupted(configure(), run, tiny, 2)
    before = files(run)
    with pytest.raises(
        CheckpointError, match=r"run: holds a run with 'steps = 3', not 'steps = 4'; choose another --out"
    ):
        train(configure("llama", "steps=4"), run, tiny)
    with pytest.raises(CheckpointError, match=r"holds a run with 'method = .pentanary.', not 'method = .ternary.'"):
        train(configure("llama", "weights.method=ternary"), run, tiny)
    with pytest.raises(CheckpointError, match="holds a run"):
        train(configure("gpt"), run, tiny)
    text = tmp_path / "text.txt"
    text.write_text("".join(f"other words {i}\n" for i in range(1000)), encoding="utf-8")
    other = prepare(text, tmp_path / "set", tokenizer=str(tiny.path / "tokenizer.json"), eos="line")
    with pytest.raises(CheckpointError, match="holds a run on other tokens"):
        train(configure(), run, other)
    assert files(run) == before


def test_places_where_no_run_may_go(configure: Configure, tiny: Dataset, tmp_path: Path) -> None:
    file = tmp_path / "file"
    file.write_text("mine")
    for out in (file, file / "run"):
        with pytest.raises(WriteError, match="not written"):
            train(configure(), out, tiny)
    with pytest.raises(WriteError, match="not empty and holds no run"):
        train(configure(), tmp_path, tiny)
    assert file.read_text() == "mine"


def test_a_claim_that_was_cut_short_is_taken_up(configure: Configure, tiny: Dataset, tmp_path: Path) -> None:
    interrupted(configure(), tmp_path / "run", tiny, 2)
    part = tmp_path / "part"
    part.mkdir()
    for name in ("data.json", "tokenizer.json"):
        shutil.copy(tmp_path / "run" / name, part / name)
    assert train(configure(), part, tiny)["steps"] == 3
    assert set(files(part)) > {"config.toml", "data.json", "tokenizer.json"}


def test_the_configuration_is_written_last_and_all_of_it_safely(
    configure: Configure, tiny: Dataset, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    written: list[str] = []

    def spy(path: Path, data: bytes) -> None:
        written.append(path.name)
        write_file(path, data)

    monkeypatch.setattr("pentanet.training.run.write_file", spy)
    train(configure(), tmp_path, tiny)
    assert written == ["data.json", "tokenizer.json", "config.toml", "record.json"]


@pytest.mark.parametrize(("name", "error"), [("data.json", "data.json"), ("config.toml", "config.toml")])
def test_a_run_with_a_damaged_file(configure: Configure, tiny: Dataset, tmp_path: Path, name: str, error: str) -> None:
    interrupted(configure(), tmp_path, tiny, 2)
    (tmp_path / name).write_text("}")
    with pytest.raises((RecordError, CheckpointError), match=error if name == "data.json" else "holds a run"):
        train(configure(), tmp_path, tiny)
    (tmp_path / name).unlink()
    with pytest.raises((MissingFileError, WriteError)):
        train(configure(), tmp_path, tiny)


def test_a_record_that_is_none(tmp_path: Path) -> None:
    (tmp_path / "record.json").write_text("[1]")
    with pytest.raises(RecordError, match=r"record.json: not a JSON object"):
        read_record(tmp_path)
    (tmp_path / "record.json").write_text('{"val_loss": ')
    with pytest.raises(RecordError, match=r"record.json: cannot be read"):
        read_record(tmp_path)


def test_a_run_that_lost_its_metrics(configure: Configure, tiny: Dataset, tmp_path: Path) -> None:
    interrupted(configure(), tmp_path, tiny, 2)
    (tmp_path / "metrics.jsonl").write_text("")
    with pytest.raises(CheckpointError, match=r"metrics.jsonl: 0 bytes"):
        train(configure(), tmp_path, tiny)


def test_a_loss_beyond_measure_is_no_result(
    configure: Configure, tiny: Dataset, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    for loss in (800.0, math.nan, math.inf):
        monkeypatch.setattr(Loop, "full_loss", lambda _, loss=loss: loss)
        with pytest.raises(ConfigError, match=r"the run diverged; lower optimizer\.lr"):
            train(configure(), tmp_path, tiny)
        assert not (tmp_path / "record.json").exists()


def test_a_run_that_diverges_says_so_again(configure: Configure, tiny: Dataset, tmp_path: Path) -> None:
    config = configure("llama", "optimizer.lr=1e38", "schedule.warmup=0", "steps=5", "checkpoint_every=1")
    messages = []
    for _ in range(2):
        with pytest.raises(NonFiniteLossError, match=r"^step \d+: .* is (nan|inf)") as caught:
            train(config, tmp_path, tiny)
        messages.append(str(caught.value))
    assert messages[0] == messages[1]
    assert to_toml(config) == (tmp_path / "config.toml").read_text()


def test_a_finished_run_is_extended_on_the_schedule_of_the_longer_one(
    configure: Configure, tiny: Dataset, tmp_path: Path
) -> None:
    def rates(run: Path) -> dict[int, float]:
        rows = map(json.loads, (run / "metrics.jsonl").read_text().splitlines())
        return {row["step"]: row["lr"] for row in rows if "lr" in row}

    short, longer = configure("llama"), configure("llama", "steps=6")
    first = train(short, tmp_path / "run", tiny)
    assert train(short, tmp_path / "run", tiny, extend=True) == first
    record = train(longer, tmp_path / "run", tiny, extend=True)
    train(longer, tmp_path / "whole", tiny)
    assert (record["steps"], record["extended_from"]) == (6, [3])
    assert read_config(tmp_path / "run") == longer
    found, whole = rates(tmp_path / "run"), rates(tmp_path / "whole")
    assert list(found) == list(whole) == [1, 2, 3, 4, 5, 6]
    assert [found[step] for step in (4, 5, 6)] == [whole[step] for step in (4, 5, 6)]
    assert found[4] > found[3]  # it had fallen to the end of three steps
    assert train(longer, tmp_path / "run", tiny, extend=True) == record
    assert train(configure("llama", "steps=7"), tmp_path / "run", tiny, extend=True)["extended_from"] == [3, 6]


def test_nothing_else_may_change_in_an_extended_run(configure: Configure, tiny: Dataset, tmp_path: Path) -> None:
    train(configure("llama"), tmp_path / "run", tiny)
    before = files(tmp_path / "run")
    for pairs in (["steps=6", "seed=1"], ["steps=2"], ["steps=6", "schedule.warmup=2"]):
        with pytest.raises(CheckpointError, match="holds a run with"):
            train(configure("llama", *pairs), tmp_path / "run", tiny, extend=True)
    assert files(tmp_path / "run") == before


def test_an_extension_that_was_interrupted_goes_on(configure: Configure, tiny: Dataset, tmp_path: Path) -> None:
    train(configure("llama"), tmp_path / "run", tiny)
    longer = configure("llama", "steps=6")
    with pytest.raises(Interrupted):
        train(longer, tmp_path / "run", tiny, extend=True, progress=raise_at(4, signal.SIGTERM))
    assert train(longer, tmp_path / "run", tiny)["extended_from"] == [3]

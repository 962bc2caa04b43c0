"""A run that is killed, at any moment and as often as one likes, ends as one that was left in peace."""

from __future__ import annotations

import json
import os
import random
import signal
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest

from pentanet.config import to_toml
from pentanet.data.dataset import Dataset
from pentanet.errors import CheckpointError
from pentanet.training.checkpoint import CheckpointStore, fingerprint
from pentanet.training.config import TrainConfig
from pentanet.training.run import read_record, train

pytestmark = pytest.mark.skipif(not hasattr(os, "fork"), reason="needs fork")

STOPPED = 3

# Dropout draws from the global generator, random windows and random validation from ones of their own; Muon and the
# learned steps have state of their own.
VARIANTS = {
    "llama-epoch-muon-lsq": (
        "llama",
        "batch.windows=epoch",
        "optimizer.kind=muon",
        "weights.method=lsq-pentanary",
        "steps=16",
        "eval_every=4",
        "checkpoint_every=1",
    ),
    "gpt-random-adamw-dropout": (
        "gpt",
        "model.dropout=0.3",
        "batch.windows=random",
        "weights.method=pentanet-seed",
        "weights.embedding=float32",
        "weights.head=grid",
        "eval_random_batches=2",
        "precision=bfloat16",
        "steps=16",
        "eval_every=4",
        "checkpoint_every=3",
        "keep=1",
    ),
}


class Forker:
    """The process that runs are forked from."""

    def __init__(self, dataset: Dataset) -> None:
        self.dataset = dataset
        code = str(Path(__file__).with_name("forker.py"))
        self.process = subprocess.Popen(
            [sys.executable, code], stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True
        )

    def start(self, config: TrainConfig, out: Path, die_at: int = 0) -> int:
        job = {"config": to_toml(config), "dataset": str(self.dataset.path), "out": str(out), "die_at": die_at}
        assert self.process.stdin is not None
        self.process.stdin.write(json.dumps(job) + "\n")
        self.process.stdin.flush()
        return self._answer()["pid"]

    def wait(self) -> tuple[int, int]:
        answer = self._answer()
        return answer["status"], answer["changes"]

    def run(self, config: TrainConfig, out: Path, die_at: int = 0) -> tuple[int, int]:
        self.start(config, out, die_at)
        return self.wait()

    def close(self) -> None:
        assert self.process.stdin is not None
        assert self.process.stdout is not None
        self.process.stdin.close()
        self.process.wait(timeout=60)
        self.process.stdout.close()

    def _answer(self) -> dict[str, Any]:
        assert self.process.stdout is not None
        return json.loads(self.process.stdout.readline())


@pytest.fixture(scope="module")
def forker(tiny: Dataset) -> Iterator[Forker]:
    made = Forker(tiny)
    yield made
    made.close()


def last_checkpoint(run: Path) -> Path:
    return CheckpointStore(run / "checkpoints", 1, warn=pytest.fail).paths()[-1]


def newest_step(run: Path) -> int:
    """Step of the newest checkpoint; each one that stands under its name must be whole."""
    newest = CheckpointStore(run / "checkpoints", 1, warn=pytest.fail).newest()
    return newest.step if newest else 0


def last_step(run: Path) -> int:
    """The last step that is logged; -1 before the validation of step 0."""
    log = run / "metrics.jsonl"
    text = log.read_text(encoding="utf-8") if log.exists() else ""
    lines = text[: text.rfind("\n") + 1].splitlines()
    return json.loads(lines[-1])["step"] if lines else -1


def wait_for(condition: Callable[[], bool]) -> None:
    limit = time.monotonic() + 60
    while not condition():
        assert time.monotonic() < limit
        time.sleep(0.001)


def assert_same_run(run: Path, reference: Path) -> None:
    assert (run / "metrics.jsonl").read_bytes() == (reference / "metrics.jsonl").read_bytes()
    assert fingerprint(last_checkpoint(run)) == fingerprint(last_checkpoint(reference))
    passing = {"seconds"}
    mine, other = read_record(run), read_record(reference)
    assert {k: v for k, v in mine.items() if k not in passing} == {k: v for k, v in other.items() if k not in passing}
    assert [path.name for path in (run / "checkpoints").iterdir() if path.name.startswith(".")] == []


@pytest.mark.slow
@pytest.mark.parametrize("variant", VARIANTS)
def test_killed_five_times_at_random(
    forker: Forker, configure: Callable[..., TrainConfig], tmp_path: Path, variant: str
) -> None:
    config, reference, run = configure(*VARIANTS[variant]), tmp_path / "reference", tmp_path / "run"
    assert forker.run(config, reference)[0] == 0
    draw = random.Random(variant)
    for step in sorted(draw.sample(range(config.steps - 4), 5)):
        pid = forker.start(config, run)
        wait_for(lambda step=step: last_step(run) >= step)
        time.sleep(draw.uniform(0, 0.04))  # anywhere in the step, or in saving it
        os.kill(pid, signal.SIGKILL)
        assert forker.wait()[0] == -signal.SIGKILL
        assert newest_step(run) <= last_step(run)
    assert forker.run(config, run)[0] == 0
    assert_same_run(run, reference)


@pytest.mark.slow
def test_killed_between_changes_on_disk(forker: Forker, configure: Callable[..., TrainConfig], tmp_path: Path) -> None:
    """At every other one of the steps that make a checkpoint, a log or a record: there is always a way on."""
    config = configure("llama", "steps=2", "eval_every=2", "checkpoint_every=1", "keep=1", "model.layers=1")
    reference = tmp_path / "reference"
    status, changes = forker.run(config, reference)
    assert status == 0
    assert changes > 30  # or the hook has lost sight of them
    for number in range(1, changes + 1, 2):
        run = tmp_path / f"run-{number}"
        assert forker.run(config, run, die_at=number)[0] == -signal.SIGKILL
        before = newest_step(run)
        assert forker.run(config, run)[0] == 0
        assert newest_step(run) >= before
        assert_same_run(run, reference)


def test_every_start_is_killed_a_little_later(
    forker: Forker, configure: Callable[..., TrainConfig], tmp_path: Path
) -> None:
    """The same directory throughout: what one death leaves behind must not trouble the next start."""
    config = configure("gpt", "steps=4", "checkpoint_every=1", "keep=1", "model.dropout=0.2", "model.layers=1")
    reference, run = tmp_path / "reference", tmp_path / "run"
    assert forker.run(config, reference)[0] == 0
    for die_at in range(1, 400, 9):
        status, _ = forker.run(config, run, die_at=die_at)
        if status == 0:
            break
        assert status == -signal.SIGKILL
    assert_same_run(run, reference)


def test_two_processes_do_not_train_in_one_place(
    forker: Forker,
    configure: Callable[..., TrainConfig],
    tiny: Dataset,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    config = configure("llama", "steps=12", "eval_every=4", "checkpoint_every=1")
    reference, run = tmp_path / "reference", tmp_path / "run"
    train(config, reference, tiny)
    long = configure("llama", "steps=5000", "eval_every=5000", "checkpoint_every=5000")
    pid = forker.start(long, tmp_path / "long")
    wait_for(lambda: last_step(tmp_path / "long") > 0)
    monkeypatch.setattr("pentanet.training.lock.PATIENCE", 0.1)
    with pytest.raises(
        CheckpointError, match="long: another process is training here; stop it, or choose another --out"
    ):
        train(long, tmp_path / "long", tiny)
    os.kill(pid, signal.SIGKILL)
    forker.wait()
    # One that comes while another trains waits, and finds the work done.
    monkeypatch.setattr("pentanet.training.lock.PATIENCE", 60.0)
    forker.start(config, run)
    wait_for(lambda: last_step(run) > 0)
    train(config, run, tiny, progress=lambda _: pytest.fail("trained beside another process"))
    assert forker.wait()[0] == 0
    assert_same_run(run, reference)


@pytest.mark.parametrize("number", [signal.SIGTERM, signal.SIGINT])
def test_asked_to_stop_from_outside(
    forker: Forker, configure: Callable[..., TrainConfig], tmp_path: Path, number: signal.Signals
) -> None:
    config = configure("llama", "steps=60", "checkpoint_every=60", "eval_every=60")
    reference, run = tmp_path / "reference", tmp_path / "run"
    assert forker.run(config, reference)[0] == 0
    pid = forker.start(config, run)
    wait_for(lambda: last_step(run) > 3)
    os.kill(pid, number)
    assert forker.wait()[0] == STOPPED
    step = newest_step(run)
    assert 0 < step < 60
    assert last_step(run) == step
    assert forker.run(config, run)[0] == 0
    assert_same_run(run, reference)

"""A whole bench of two arms, in processes of their own."""

from __future__ import annotations

import dataclasses
import json
import multiprocessing
import os
import signal
from collections.abc import Callable
from pathlib import Path

import pytest

from pentanet.bench import run
from pentanet.bench.arm import Job
from pentanet.bench.plans import Arm
from pentanet.bench.run import JobProgress, Stopped, arm_config, bench
from pentanet.bench.suites import Suite, suite
from pentanet.data.dataset import Dataset
from pentanet.errors import BenchError, ConfigError, UnknownKeyError, UnknownNameError, WriteError
from pentanet.training.checkpoint import fingerprint
from pentanet.training.config import TrainConfig
from pentanet.training.loop import Progress
from pentanet.training.run import Interrupted, read_config, read_record, train

Configure = Callable[..., TrainConfig]
ARMS = ("ternary", "pentanary")


def of_arm(config: TrainConfig, method: str, seed: int = 0) -> TrainConfig:
    return dataclasses.replace(config, seed=seed, weights=dataclasses.replace(config.weights, method=method))


def times(folder: Path) -> dict[str, int]:
    return {str(path): path.stat().st_mtime_ns for path in folder.rglob("*") if path.is_file()}


@pytest.mark.slow
def test_interrupted_continued_repeated_and_extended(configure: Configure, tiny: Dataset, tmp_path: Path) -> None:
    config, out = configure("llama", "model.layers=1", "steps=6", "checkpoint_every=6"), tmp_path / "bench"

    def stop(now: Progress) -> None:
        if now.step == 4:
            signal.raise_signal(signal.SIGTERM)

    # One arm was interrupted; a bench continues it, and trains the other.
    arm = out / "runs/pentanary/seed-0"
    with pytest.raises(Interrupted):
        train(of_arm(config, "pentanary"), arm, tiny, progress=stop)
    reference = train(of_arm(config, "pentanary"), tmp_path / "reference", tiny)
    told: list[JobProgress] = []
    found = bench(suite("nano"), config, out, tiny, methods=ARMS, seeds=1, workers=1, progress=told.append)
    assert json.loads((out / "summary.json").read_text()) == found
    assert list(found["methods"]) == list(ARMS)
    row = found["methods"]["pentanary"]["seeds"]["0"]
    assert row["val_loss"] == row["packed_val_loss"] == reference["val_loss"]
    assert fingerprint(arm / "checkpoints/step_00000006") == reference["checkpoint"]
    assert [json.loads(line)["step"] for line in (arm / "timing.jsonl").read_text().splitlines()] == [4, 6]
    assert {p.name for p in told if p.result is not None} == {"ternary/seed-0", "pentanary/seed-0"}
    (compared,) = found["comparisons"]
    assert (compared["method"], compared["control"]) == ("pentanary", "ternary")
    losses = [found["methods"][name]["seeds"]["0"]["val_loss"] for name in ARMS]
    assert compared["difference"] == pytest.approx(losses[1] - losses[0])

    # Again: nothing is trained, packed or measured.
    before = times(out / "runs")
    again = bench(suite("nano"), config, out, tiny, methods=ARMS, seeds=1, workers=1)
    assert times(out / "runs") == before
    assert {**again, "created": ""} == {**found, "created": ""}

    # A third arm that cannot run: its place is taken by another run. The others stay as they are.
    train(of_arm(configure("llama", "model.layers=1", "steps=1"), "binary"), out / "runs/binary/seed-0", tiny)
    told.clear()
    more = bench(suite("nano"), config, out, tiny, methods=(*ARMS, "binary"), seeds=1, progress=told.append)
    failed = more["methods"]["binary"]["seeds"]["0"]
    assert "runs/binary/seed-0: holds a run with 'steps = 1', not 'steps = 6'" in failed["error"]
    assert more["methods"]["binary"]["mean"] == {}
    assert [p.name for p in told if p.result is not None and "error" in p.result] == ["binary/seed-0"]
    assert all(times(out / "runs" / name) == {k: v for k, v in before.items() if f"/{name}/" in k} for name in ARMS)


@pytest.mark.slow
def test_signals_that_come_twice_stop_it_once(configure: Configure, tiny: Dataset, tmp_path: Path) -> None:
    config = configure("llama", "model.layers=1", "steps=2000", "log_every=1", "checkpoint_every=2000")
    before = signal.getsignal(signal.SIGINT)

    def stop(now: JobProgress) -> None:
        if now.step:  # a worker trains, and the other one may be starting
            for _ in range(3):
                os.kill(os.getpid(), signal.SIGINT)

    with pytest.raises(Stopped) as stopped:
        bench(suite("nano"), config, tmp_path / "bench", tiny, methods=ARMS, seeds=1, workers=2, progress=stop)
    assert stopped.value.signal == signal.SIGINT
    assert signal.getsignal(signal.SIGINT) is before
    assert not multiprocessing.active_children()
    assert list((tmp_path / "bench").rglob("checkpoints/step_*"))


def test_a_worker_that_a_signal_killed_was_stopped() -> None:
    assert isinstance(run._why_broken([signal.SIGINT]), Stopped)
    assert isinstance(run._why_broken([]), BenchError)


@pytest.mark.slow
def test_students_wait_for_their_teachers(configure: Configure, tiny: Dataset, tmp_path: Path) -> None:
    config, out = configure("llama", "model.layers=1", "steps=2"), tmp_path / "bench"
    student = Arm(name="student", method="ternary", teacher="full-precision")
    arms = (student, Arm(name="full-precision", method="full-precision"), Arm(name="ternary", method="ternary"))
    chosen = Suite(name="taught", title="", preset="nano", arms=arms)
    with pytest.raises(ConfigError, match="arm student: learns from arm full-precision; add it to --methods"):
        bench(chosen, config, out, tiny, methods=("student", "ternary"))
    told: list[JobProgress] = []
    found = bench(chosen, config, out, tiny, seeds=1, workers=2, progress=told.append)
    done = [p.name for p in told if p.result is not None]
    assert done.index("full-precision/seed-0") < done.index("student/seed-0")
    assert read_config(out / "runs/student/seed-0").distill.teacher == str(out / "runs/full-precision/seed-0")
    losses = {name: row["seeds"]["0"]["val_loss"] for name, row in found["methods"].items()}
    assert losses["student"] != losses["ternary"]
    assert all(row["seeds"]["0"]["packed_gap"] == 0 for row in found["methods"].values())
    before = times(out / "runs")
    assert bench(chosen, config, out, tiny, seeds=1, workers=1)["methods"] == found["methods"]
    assert times(out / "runs") == before


def test_jobs_are_ready_lost_or_waiting(configure: Configure, tiny: Dataset, tmp_path: Path) -> None:
    def job(name: str, after: str = "") -> Job:
        return Job(
            arm=name, config=configure("llama"), dataset=tiny.path, folder=tmp_path / name, threads=1, after=after
        )

    jobs = [job("a", after="t/seed-0"), job("b")]
    sort = run._sorted  # pyright: ignore[reportPrivateUsage]
    assert sort(jobs, {}) == ([jobs[1]], [], [jobs[0]])
    assert sort(jobs, {"t/seed-0": {"val_loss": 1.0}}) == (jobs, [], [])
    row = {"error": "stopped", "signal": 15}
    assert sort(jobs, {"t/seed-0": row}) == (
        [jobs[1]],
        [(jobs[0], {"error": "its teacher t/seed-0: stopped", "signal": 15})],
        [],
    )


@pytest.mark.slow
def test_when_every_arm_fails_the_first_is_named(configure: Configure, tiny: Dataset, tmp_path: Path) -> None:
    config = configure("llama", "model.layers=1", "optimizer.lr=1e38", "schedule.warmup=0", "steps=5")
    with pytest.raises(BenchError, match=r"every run failed; the first: step \d: the .* is (nan|inf)"):
        bench(suite("nano"), config, tmp_path, tiny, methods=ARMS, seeds=1, workers=1)
    assert not (tmp_path / "summary.json").exists()


def finished_arms(config: TrainConfig, out: Path, dataset: Dataset, seeds: range) -> None:
    """Finish all arms in this process, so that `bench` has only to count."""
    from pentanet.bench.arm import Job, run_job

    class Silent:
        def put(self, item: object) -> None:
            pass

    for name in ARMS:
        for seed in seeds:
            folder = out / "runs" / name / f"seed-{seed}"
            job = Job(arm=name, config=of_arm(config, name, seed), dataset=dataset.path, folder=folder, threads=1)
            assert "error" not in run_job(job, Silent())


def test_seeds_count_up_and_methods_come_once(configure: Configure, tiny: Dataset, tmp_path: Path) -> None:
    config = configure("llama", "model.layers=1", "steps=1", "seed=7")
    finished_arms(config, tmp_path, tiny, range(7, 9))
    told: list[JobProgress] = []
    methods = ("pentanary", "ternary", "pentanary")
    found = bench(suite("nano"), config, tmp_path, tiny, methods=methods, seeds=2, progress=told.append)
    assert [p.name for p in told] == [f"{name}/seed-{seed}" for seed in (7, 8) for name in ("pentanary", "ternary")]
    assert {name: list(arm["seeds"]) for name, arm in found["methods"].items()} == {
        "pentanary": ["7", "8"],
        "ternary": ["7", "8"],
    }
    assert found["methods"]["ternary"]["seeds"]["8"]["run"] == "runs/ternary/seed-8"
    record = read_record(tmp_path / "runs/ternary/seed-8")
    assert record["seed"] == 8
    assert found["methods"]["ternary"]["seeds"]["8"]["val_loss"] == record["val_loss"]
    assert found["comparisons"][0]["n"] == 2
    assert found["comparisons"][0]["low"] < found["comparisons"][0]["high"]
    for workers, threads in ((1, 1), (0, 1), (0, 3)):  # threads do not depend on what runs side by side
        again = bench(suite("nano"), config, tmp_path, tiny, methods=ARMS, seeds=2, workers=workers, threads=threads)
        assert again["machine"]["threads"] == threads


def test_mistakes(configure: Configure, tiny: Dataset, tmp_path: Path) -> None:
    out = tmp_path / "out"
    with pytest.raises(UnknownNameError, match="unknown method 'pentnary'"):
        bench(suite("nano"), configure(), out, tiny, methods=("pentnary",))
    with pytest.raises(UnknownNameError, match=r"unknown arm 'ternary-5'\. Did you mean 'ternary-4'"):
        bench(suite("depth"), configure(), out, tiny, methods=("ternary-5",))
    with pytest.raises(ConfigError, match="arm odd: reads another text"):
        arm_config(configure(), Arm(name="odd", method="ternary", settings=("data.source=other.txt",)))
    with pytest.raises(UnknownKeyError, match="arm odd"):
        arm_config(configure(), Arm(name="odd", method="ternary", settings=("model.depth=3",)))
    for wrong in ({"seeds": -1}, {"workers": -1}, {"threads": 0}):
        with pytest.raises(ConfigError, match="must not be negative"):
            bench(suite("nano"), configure(), out, tiny, **wrong)
    assert not out.exists()


def test_an_arm_is_its_method_and_settings_on_the_recipe(configure: Configure) -> None:
    recipe = configure("gpt", "seed=5")
    made = arm_config(recipe, Arm(name="a", method="sherry", settings=("model.layers=7", "optimizer.lr=0.5")))
    assert made.model == dataclasses.replace(recipe.model, layers=7)
    assert (made.weights.method, made.optimizer.lr, made.seed) == ("sherry", 0.5, 5)
    assert arm_config(recipe, Arm(name="b", method=recipe.weights.method)) == recipe


def test_a_summary_that_cannot_be_written(configure: Configure, tiny: Dataset, tmp_path: Path) -> None:
    config = configure("llama", "model.layers=1", "steps=1")
    finished_arms(config, tmp_path, tiny, range(1))
    (tmp_path / "summary.json").mkdir()
    with pytest.raises(WriteError, match=r"summary.json"):
        bench(suite("nano"), config, tmp_path, tiny, methods=ARMS, seeds=1)

"""Run a suite: every arm with every seed, several trainings side by side, then one summary."""

from __future__ import annotations

import dataclasses
import json
import multiprocessing
import os
import signal
import threading
from collections.abc import Callable, Generator, Mapping, Sequence, Set
from concurrent.futures import FIRST_COMPLETED, Future, ProcessPoolExecutor, wait
from concurrent.futures.process import BrokenProcessPool
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from types import FrameType
from typing import Any

from pentanet.atomic import write_file
from pentanet.bench.arm import Job, finished, ignore_interrupt, run_job
from pentanet.bench.plans import Arm
from pentanet.bench.suites import Suite
from pentanet.bench.summary import summarize
from pentanet.config import from_tree, to_tree, with_overrides
from pentanet.data.dataset import Dataset
from pentanet.errors import BenchError, ConfigError, WriteError
from pentanet.machine import usable_cores
from pentanet.quant import method
from pentanet.training.config import TrainConfig

RUNS, SUMMARY = "runs", "summary.json"
POLL = 0.2  # seconds between two looks at whether a signal asked to stop


class Stopped(KeyboardInterrupt):
    """The bench was asked to stop; running trainings were saved.

    Attributes:
        signal: number of the signal.
    """

    def __init__(self, number: int) -> None:
        super().__init__("stopped; the same command continues")
        self.signal = number


@dataclass(frozen=True, kw_only=True, slots=True)
class JobProgress:
    """What a watcher of the bench is told.

    Attributes:
        name: `arm/seed-N`.
        step, steps: done and planned.
        loss: of the last step; NaN before the first.
        result: the row of the summary once the job is finished.
    """

    name: str
    step: int
    steps: int
    loss: float = float("nan")
    result: Mapping[str, Any] | None = None


def bench(
    suite: Suite,
    config: TrainConfig,
    out: str | Path,
    dataset: Dataset,
    *,
    methods: tuple[str, ...] = (),
    seeds: int = 0,
    workers: int = 0,
    threads: int = 1,
    progress: Callable[[JobProgress], None] = lambda _: None,
) -> dict[str, Any]:
    """Train, pack and measure every arm with every seed, and compare them.

    Args:
        suite: what to compare.
        config: the recipe; the arms change it, seeds count up from `config.seed`.
        out: the directory for everything; a bench that was interrupted there continues.
        dataset: tokens for all runs.
        methods: names of arms, instead of all of the suite.
        seeds: how many; 0 for the suite's number.
        workers: trainings side by side; 0 for as many as the cores serve.
        threads: of each training, whatever runs beside it: its time says the same with any number of workers.
        progress: told in the calling thread or in one of ours, never in two at once.

    Returns:
        The summary, as in summary.json; a run that failed (diverged, say) has an `error` in it instead of numbers.

    Raises:
        UnknownNameError: no such arm or method.
        ConfigError: an arm without its teacher, or settings that cannot be used.
        BenchError: every run failed, or a process died; what is finished stays.
        Stopped: Ctrl-C or SIGTERM; running trainings are saved first.
    """
    if seeds < 0 or workers < 0 or threads < 1:
        raise ConfigError(f"seeds {seeds}, workers {workers}: must not be negative; threads {threads}: at least 1")
    out = Path(out)
    arms = [suite.arm(name) for name in dict.fromkeys(methods or suite.methods)]
    cores = usable_cores()
    workers = min(workers or max(1, cores // threads), len(arms) * (seeds or suite.seeds))
    _require_teachers(arms)
    configs = {arm.name: arm_config(config, arm) for arm in arms}
    jobs = [
        _job(arm, dataclasses.replace(configs[arm.name], seed=config.seed + seed), out / RUNS, dataset, threads)
        for seed in range(seeds or suite.seeds)  # seed by seed, so that what is there early is already paired
        for arm in arms
    ]
    rows = _run_all(jobs, workers, progress)
    if stopped := [row["signal"] for row in rows.values() if "signal" in row]:
        raise Stopped(stopped[0])
    if all("error" in row for row in rows.values()):
        raise BenchError(f"every run failed; the first: {rows[jobs[0].name]['error']}")
    summary = summarize(suite, jobs, rows, dataset)
    try:
        write_file(out / SUMMARY, (json.dumps(summary, indent=1) + "\n").encode())
    except OSError as error:
        raise WriteError(out / SUMMARY, str(error)) from error
    return summary


def _require_teachers(arms: Sequence[Arm]) -> None:
    names = {arm.name for arm in arms}
    for arm in arms:
        if arm.teacher and arm.teacher not in names:
            raise ConfigError(f"arm {arm.name}: learns from arm {arm.teacher}; add it to --methods")


def _job(arm: Arm, config: TrainConfig, runs: Path, dataset: Dataset, threads: int) -> Job:
    """One arm with the seed of `config`; its teacher, if it has one, is the run with the same seed."""
    seed = f"seed-{config.seed}"
    if arm.teacher:
        teacher = str(runs / arm.teacher / seed)
        config = dataclasses.replace(config, distill=dataclasses.replace(config.distill, teacher=teacher))
    return Job(
        arm=arm.name,
        config=config,
        dataset=dataset.path.resolve(),
        folder=runs / arm.name / seed,
        threads=threads,
        after=f"{arm.teacher}/{seed}" if arm.teacher else "",
    )


def arm_config(config: TrainConfig, arm: Arm) -> TrainConfig:
    """The recipe with the method and the settings of an arm.

    Raises:
        UnknownNameError: no such method.
        ConfigError: a setting that cannot be used, or another text than that of the suite.
    """
    method(arm.method)
    pairs = [f"weights.method={json.dumps(arm.method)}", *arm.settings]
    made = from_tree(TrainConfig, with_overrides(to_tree(config), pairs), f"arm {arm.name}")
    if made.data != config.data:
        raise ConfigError(f"arm {arm.name}: reads another text; the arms of a suite share theirs")
    return made


def _run_all(jobs: list[Job], workers: int, progress: Callable[[JobProgress], None]) -> dict[str, dict[str, Any]]:
    rows: dict[str, dict[str, Any]] = {}
    todo: list[Job] = []
    for job in jobs:
        row = finished(job)
        if row is None:
            todo.append(job)
            progress(JobProgress(name=job.name, step=0, steps=job.config.steps))
        else:
            rows[job.name] = row
            progress(JobProgress(name=job.name, step=job.config.steps, steps=job.config.steps, result=row))
    if not todo:
        return rows
    context = multiprocessing.get_context("spawn")  # a fork would inherit torch's threads
    with (
        _signals() as asked,
        context.Manager() as manager,
        ProcessPoolExecutor(workers, mp_context=context, initializer=ignore_interrupt) as pool,
        _listener(manager.Queue(), progress) as (channel, tell),
    ):
        helpers = {child.pid for child in multiprocessing.active_children()}  # the manager's server, no worker yet
        futures: dict[Future[dict[str, Any]], Job] = {}
        try:
            while futures or todo:
                ready, ended, todo = _sorted(todo, rows)
                futures |= {pool.submit(run_job, job, channel): job for job in ready}
                done = wait(futures, timeout=POLL, return_when=FIRST_COMPLETED).done
                ended += [(futures.pop(future), future.result()) for future in done]
                for job, row in ended:
                    rows[job.name] = row
                    tell(job, row)
                if asked:
                    raise Stopped(asked[0])
        except BrokenProcessPool as error:
            raise _why_broken(asked) from error
        except KeyboardInterrupt:
            for future in futures:
                future.cancel()
            _stop_workers(helpers)
            pool.shutdown(wait=True)  # while the manager still lives: workers talk to it until they have saved
            raise
    return rows


def _why_broken(asked: Sequence[int]) -> Exception | Stopped:
    """A worker that Ctrl-C reaches while it starts dies of it, since it is its parent that stops workers later."""
    if asked:
        return Stopped(asked[0])
    return BenchError("a training process died (out of memory?); the same command continues")


def _sorted(
    jobs: Sequence[Job], rows: Mapping[str, dict[str, Any]]
) -> tuple[list[Job], list[tuple[Job, dict[str, Any]]], list[Job]]:
    """Jobs that can start; those whose teacher failed, with their rows; those that wait for it."""
    ready: list[Job] = []
    lost: list[tuple[Job, dict[str, Any]]] = []
    waiting: list[Job] = []
    for job in jobs:
        before = rows.get(job.after)
        if job.after and before is None:
            waiting.append(job)
        elif before is not None and "error" in before:
            lost.append((job, {**before, "error": f"its teacher {job.after}: {before['error']}"}))
        else:
            ready.append(job)
    return ready, lost, waiting


def _stop_workers(helpers: Set[int | None]) -> None:
    """Ask running trainings to save and leave."""
    for child in multiprocessing.active_children():
        if child.pid is not None and child.pid not in helpers:
            os.kill(child.pid, signal.SIGTERM)


@contextmanager
def _listener(
    channel: Any, progress: Callable[[JobProgress], None]
) -> Generator[tuple[Any, Callable[[Job, Mapping[str, Any]], None]]]:
    """Hand what the workers say to `progress`, one message at a time."""
    lock = threading.Lock()

    def listen() -> None:
        while (item := channel.get()) is not None:
            name, step, steps, loss = item
            with lock:
                progress(JobProgress(name=name, step=step, steps=steps, loss=loss))

    def tell(job: Job, row: Mapping[str, Any]) -> None:
        with lock:
            progress(JobProgress(name=job.name, step=job.config.steps, steps=job.config.steps, result=row))

    thread = threading.Thread(target=listen, daemon=True)
    thread.start()
    try:
        yield channel, tell
    finally:
        channel.put(None)
        thread.join(timeout=5)


@contextmanager
def _signals() -> Generator[list[int]]:
    """SIGTERM and Ctrl-C, as often as they come, are only noted: an exception in the middle of starting a worker, or a
    second one while the others save, would leave a process that nobody stops.
    """
    asked: list[int] = []
    if threading.current_thread() is not threading.main_thread():
        yield asked
        return

    def note(number: int, frame: FrameType | None) -> None:
        del frame
        asked.append(number)

    before = {number: signal.signal(number, note) for number in (signal.SIGTERM, signal.SIGINT)}
    try:
        yield asked
    finally:
        for number, handler in before.items():
            signal.signal(number, handler)

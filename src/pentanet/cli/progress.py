"""How far work is: bars in a terminal, and a line now and then where nobody watches."""

from __future__ import annotations

import time
from collections.abc import Generator
from contextlib import contextmanager
from typing import Any

from rich.console import Console
from rich.progress import BarColumn, Progress, ProgressColumn, Task, TaskID, TextColumn, TimeElapsedColumn
from rich.progress import TimeRemainingColumn as TimeLeft
from rich.text import Text

from pentanet.cli.units import count

EVERY = 30.0
"""Seconds between lines where standard error is no terminal; the first comes after so many."""
_SHORT = 100_000  # numbers below are shown digit by digit


@contextmanager
def bars(console: Console, *, transient: bool = False) -> Generator[Progress]:
    """Progress that work adds its tasks to; when it fails before anything is done, no empty bar stays behind."""
    made = _bars(console, transient) if console.is_terminal else Lines(console)
    with made:
        try:
            yield made
        except BaseException:
            if not any(task.completed for task in made.tasks):
                made.live.transient = True
            raise


def _bars(console: Console, transient: bool) -> Progress:
    return Progress(
        TextColumn("{task.description}"),
        BarColumn(bar_width=12),
        Done(),
        TimeElapsedColumn(),
        TextColumn("left"),
        TimeLeft(),
        TextColumn("{task.fields[note]}"),
        console=console,
        transient=transient,
    )


def done(task: Task) -> str:
    """How much of a task is done: 12/200, 35.9 M/135 M, or 37.5 %."""
    if task.fields.get("percent"):
        return f"{task.percentage:.1f} %"
    if task.total is None:
        return _number(task.completed)
    return f"{_number(task.completed)}/{_number(task.total)}"


def _number(value: float) -> str:
    return f"{value:.0f}" if value < _SHORT else count(value)


class Done(ProgressColumn):
    """The column that says how much is done."""

    def render(self, task: Task) -> Text:
        return Text(done(task), style="progress.download")


class Lines(Progress):
    """Progress without bars: a line on the task that went on, no more often than `EVERY` seconds."""

    def __init__(self, console: Console) -> None:
        super().__init__(console=console, disable=True)
        self._told = time.monotonic()

    def update(self, task_id: TaskID, **changes: Any) -> None:
        super().update(task_id, **changes)
        now = time.monotonic()
        if now - self._told < EVERY:
            return
        self._told = now
        task = next(task for task in self.tasks if task.id == task_id)
        note = f", {task.fields['note']}" if task.fields.get("note") else ""
        words = Text.from_markup(f"{task.description}: {done(task)}{note}").plain
        self.console.print(words, soft_wrap=True)

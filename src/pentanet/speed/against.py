"""Our engine and stock llama.cpp in turn: the same shapes, the same threads, the same minutes."""

from __future__ import annotations

import time
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path
from statistics import median
from typing import TYPE_CHECKING, Any, Protocol

import numpy as np

from pentanet.gguf import package as gguf_package
from pentanet.speed import gguf_file, llama_cpp
from pentanet.speed.model import SHORT, TOKENS, Subject, start
from pentanet.speed.settings import Settings

if TYPE_CHECKING:
    from pentanet._native import Session

DECODES, PROMPTS = 7, 3  # rounds
REST = 0.1  # seconds between the two, in which the threads of the one go to sleep


class Runs(Protocol):
    """A model that has read some tokens."""

    def reset(self, length: int) -> None:
        """Forget all but the first `length` tokens."""
        ...

    def forward(self, ids: list[int]) -> None:
        """Append tokens and compute the logits after the last one."""
        ...


@dataclass(frozen=True, slots=True)
class Ours:
    """Our engine as `Runs`."""

    session: Session

    def reset(self, length: int) -> None:
        self.session.truncate(length)

    def forward(self, ids: list[int]) -> None:
        self.session.forward(np.array(ids, np.int32), [(0, len(ids))])


def require() -> None:
    """Raises MissingExtraError if llama-cpp-python or gguf is not installed."""
    llama_cpp.load()
    gguf_package.load("llama", "measuring llama.cpp")


def against(model: Subject, settings: Settings, tell: Callable[[str], None]) -> dict[str, Any]:
    """Measure each type of llama.cpp beside our model.

    Args:
        model: ours.
        settings: threads and the prompt.
        tell: is called with a note before each measurement, `steps(settings)` times.

    Raises:
        MissingExtraError: llama-cpp-python or gguf is not installed.
        BenchError: llama.cpp does not take our file.
    """
    package = llama_cpp.load()
    return {
        "name": "llama.cpp",
        "version": f"llama-cpp-python {package.__version__}",
        "system": package.llama_print_system_info().decode().strip(),
        "results": [row for kind in gguf_file.BODY for row in _type(package, kind, model, settings, tell)],
    }


def steps(settings: Settings) -> int:
    """How many measurements there are."""
    return len(gguf_file.BODY) * len(settings.threads)


def _type(
    package: Any, kind: str, model: Subject, settings: Settings, tell: Callable[[str], None]
) -> Iterator[dict[str, Any]]:
    if reason := gguf_file.why_not(kind, model.shape):
        for _ in settings.threads:
            tell(f"{kind} does not fit")
        yield {"type": kind, "skipped": reason}
        return
    file = model.path.parent / f"{kind}.gguf"
    gguf_file.write(model.shape, kind, file)
    try:
        with llama_cpp.model(package, file) as opened:
            for threads in settings.threads:
                tell(f"llama.cpp {kind}, threads: {threads}")
                with llama_cpp.runner(package, opened, threads) as theirs:
                    ours = Ours(start(model, threads, settings))
                    yield {"type": kind, "threads": threads, **_size(file), **_compare(ours, theirs, settings)}
    finally:
        file.unlink()


def _size(file: Path) -> dict[str, int]:
    return {"file_bytes": file.stat().st_size}


def _compare(ours: Runs, theirs: Runs, settings: Settings) -> dict[str, float]:
    prompt = settings.prompts[-1]
    found: dict[str, float] = {}
    for name, past, ids, one_by_one, rounds in (
        ("decode", SHORT, list(range(1, TOKENS + 1)), True, DECODES),
        ("prefill", 0, [i % 256 for i in range(prompt)], False, PROMPTS),
    ):
        mine: list[float] = []
        other: list[float] = []
        for _ in range(rounds + 1):
            mine.append(len(ids) / _seconds(ours, past, ids, one_by_one=one_by_one))
            other.append(len(ids) / _seconds(theirs, past, ids, one_by_one=one_by_one))
        del mine[0], other[0]  # warm up
        found[f"{name}_tokens_per_second"] = median(other)
        found[f"ours_{name}_tokens_per_second"] = median(mine)
        found[f"{name}_ratio"] = median(a / b for a, b in zip(mine, other, strict=True))
    return found


def _seconds(model: Runs, past: int, ids: list[int], *, one_by_one: bool) -> float:
    time.sleep(REST)
    model.reset(0)
    if past:
        model.forward([1] * past)
    calls = [[i] for i in ids] if one_by_one else [ids]
    start = time.perf_counter()
    for call in calls:
        model.forward(call)
    return time.perf_counter() - start

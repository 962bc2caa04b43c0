"""A whole model from a directory: tokens per second, what of it is not products with weights, and how it starts."""

from __future__ import annotations

import tempfile
import time
from collections.abc import Callable, Generator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from statistics import median
from typing import TYPE_CHECKING, Any

from pentanet.format.tensors import CodedSpec
from pentanet.runtime.engine import Engine
from pentanet.speed import synthetic
from pentanet.speed.rounds import Limits, against_limit
from pentanet.speed.settings import Settings, Shape

if TYPE_CHECKING:
    from pentanet._native import Session, Timing

SHORT = 16  # tokens of context at which decode is measured
TOKENS = 8  # timed together
STARTS = 3
LONGER = 4  # a model takes more time than a matrix, so it gets more


@dataclass(frozen=True, slots=True)
class Subject:
    """An open synthetic model."""

    shape: Shape
    path: Path
    engine: Engine

    @property
    def parameters(self) -> int:
        """Number of weights, norms included."""
        return sum(spec.parameters for spec in self.engine.packed.specs.values())

    def operations(self, tokens: int) -> int:
        """Of the products of a prompt, two per weight and token; the head sees its last token only."""
        head = self.shape.vocab * self.shape.network.width
        specs = self.engine.packed.specs.values()
        body = sum(spec.parameters for spec in specs if isinstance(spec, CodedSpec))
        body -= head if self.shape.network.tie else 2 * head
        return 2 * (body * tokens + head)


@contextmanager
def subject(shape: Shape) -> Generator[Subject]:
    """Write a synthetic model into a temporary directory and open it; both are gone afterwards."""
    with tempfile.TemporaryDirectory(prefix="pentanet-speed-") as folder:
        path = Path(folder) / shape.name
        synthetic.write(shape, path)
        yield Subject(shape, path, Engine.open(path, threads=1))


def describe(model: Subject, cache: str, activations: str) -> dict[str, Any]:
    """What is the same for all thread counts; the tables by thread count are empty yet."""
    from pentanet._native import Session

    by_threads = (
        "decode_tokens_per_second",
        "prefill_tokens_per_second",
        "fraction",
        "prefill_fraction",
        "beyond_linears",
        "start_seconds",
        "start_unverified_seconds",
    )
    return {
        "name": model.shape.name,
        "parameters": model.parameters,
        "bytes_per_token": model.engine.model.bytes_per_token,
        "cache": cache,
        "activations": activations,
        "cache_bytes_per_token": Session(model.engine.model, cache=cache).cache_bytes_per_token,
        **{name: {} for name in by_threads},
    }


def start(model: Subject, threads: int, settings: Settings) -> Session:
    """A session of the model."""
    from pentanet._native import Session

    return Session(model.engine.model, threads=threads, cache=settings.cache, activations=settings.activations)


def measures(
    model: Subject, settings: Settings, timing: Timing, limits: Limits, out: dict[str, Any]
) -> list[tuple[str, Callable[[], None]]]:
    """What is measured with one thread count, by name; each adds its numbers to `out`."""
    threads, key = timing.threads, str(timing.threads)
    session = start(model, threads, settings)
    seconds = LONGER * settings.seconds

    def decode() -> None:
        limit, took, _ = timing.decode(session, past=SHORT, tokens=TOKENS, seconds=seconds)
        limits.read.setdefault(threads, []).extend(limit)
        out["decode_tokens_per_second"][key] = 1 / median(took)
        out["fraction"][key] = against_limit(model.engine.model.bytes_per_token, took, limit).fraction

    def overhead() -> None:
        _, took, linears = timing.decode(session, past=settings.past, tokens=TOKENS, seconds=seconds)
        out["beyond_linears"][key] = median(1 - part / whole for part, whole in zip(linears, took, strict=True))

    def prefill() -> None:
        tokens = settings.prompts[-1]
        limit, took = timing.prompt(session, tokens=tokens, seconds=seconds)
        limits.multiply.setdefault(threads, []).extend(limit)
        out["prefill_tokens_per_second"][key] = tokens / median(took)
        out["prefill_fraction"][key] = against_limit(model.operations(tokens), took, limit).fraction

    def open_and_start() -> None:
        out["start_seconds"][key] = _start(model.path, threads, verify=True)
        out["start_unverified_seconds"][key] = _start(model.path, threads, verify=False)

    return [("decode", decode), ("decode after 512", overhead), ("prefill", prefill), ("start", open_and_start)]


def _start(path: Path, threads: int, *, verify: bool) -> float:
    """Seconds from opening the directory to the logits of the first token; the files are in the page cache."""

    def once() -> float:
        before = time.perf_counter()
        Engine.open(path, threads=threads, verify=verify).logits([0])
        return time.perf_counter() - before

    return median(once() for _ in range(STARTS))

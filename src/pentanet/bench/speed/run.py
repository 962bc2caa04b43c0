"""The whole measurement, step by step, and its summary."""

from __future__ import annotations

import mmap
import os
from collections.abc import Callable
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path
from typing import TYPE_CHECKING, Any

from pentanet import __version__
from pentanet.bench.speed import against, layouts, model
from pentanet.bench.speed.rounds import Limits
from pentanet.bench.speed.settings import Settings
from pentanet.machine import commit, machine
from pentanet.runtime import native

if TYPE_CHECKING:
    from pentanet._native import Timing

_HUGE_PAGES = Path("/sys/kernel/mm/transparent_hugepage/enabled")


@dataclass(frozen=True, kw_only=True, slots=True)
class Progress:
    """What is being measured, as step `step` of `steps`."""

    note: str
    step: int
    steps: int


Tell = Callable[[Progress], None]


def speed(settings: Settings, tell: Tell = lambda _: None) -> dict[str, Any]:
    """Measure this machine's limits, the layouts and a model.

    Args:
        settings: see `speed_settings`.
        tell: is called before each step.

    Returns:
        The summary: `limits`, `decode`, `prefill`, `model` and `machine`; docs/commands/speed.md has all keys.

    Raises:
        EngineError: the engine was not compiled, or PENTANET_ISA is wrong.
        MissingExtraError: llama.cpp is asked for and not installed.
    """
    isa = native.instruction_set()
    if settings.against:
        against.require()  # before minutes are spent on the rest
    return _Run(settings, isa, tell).summary()


class _Run:
    def __init__(self, settings: Settings, isa: str, tell: Tell) -> None:
        from pentanet._native import Timing

        self.settings, self.isa = settings, isa
        self.load = os.getloadavg()[0] if hasattr(os, "getloadavg") else 0.0
        self.limits = Limits()
        self.timings = [Timing(threads=count, bytes=settings.buffer, isa=isa) for count in settings.threads]
        self._tell, self._step = tell, 0
        per_thread = len(settings.layouts) * (1 + len(settings.prompts)) + (4 if settings.model else 0)
        self._steps = len(settings.threads) * per_thread + (1 if settings.model else 0)
        self._steps += against.steps(settings) if settings.against else 0

    def step(self, note: str) -> None:
        """Say what comes next."""
        self._tell(Progress(note=note, step=self._step, steps=self._steps))
        self._step += 1

    def summary(self) -> dict[str, Any]:
        """Measure everything."""
        found = {"decode": list[Any](), "prefill": list[Any]()}
        spread: dict[str, list[float]] = {"decode": [], "prefill": []}
        in_memory: dict[str, str] = {}
        for name in self.settings.layouts:
            in_memory[name] = self._layout(name, found, spread)
        whole, peers = self._model()
        return {
            "pentanet": __version__,
            "commit": commit(),
            "date": datetime.now(UTC).isoformat(timespec="seconds"),
            "machine": self._machine(),
            "limits": self.limits.to_dict(),
            **found,
            "spread": spread,
            "in_memory": in_memory,
            "model": whole,
            "against": peers,
        }

    def _layout(self, name: str, found: dict[str, list[Any]], spread: dict[str, list[float]]) -> str:
        matrices = layouts.make(name, self.settings, self.isa)

        def keep(kind: str, measured: tuple[layouts.Row, float]) -> None:
            found[kind].append(measured[0].to_dict())
            spread[kind].append(measured[1])

        for timing in self.timings:
            self.step(f"{name}, decode, {_threads(timing)}")
            keep("decode", matrices.decode(timing, self.limits))
            for tokens in self.settings.prompts:
                self.step(f"{name}, {tokens} tokens, {_threads(timing)}")
                keep("prefill", matrices.prefill(timing, tokens, self.limits))
        return matrices.in_memory

    def _model(self) -> tuple[dict[str, Any] | None, dict[str, Any] | None]:
        """The model, and its peers where they are asked for."""
        shape = self.settings.model
        if shape is None:
            return None, None
        self.step(f"writing {shape.name}")
        with model.subject(shape) as subject:
            out = model.describe(subject)
            for timing in self.timings:
                for name, run in model.measures(subject, self.settings, timing, self.limits, out):
                    self.step(f"{shape.name}, {name}, {_threads(timing)}")
                    run()
            peers = against.against(subject, self.settings, self.step) if self.settings.against else None
        return out, peers

    def _machine(self) -> dict[str, Any]:
        from pentanet import _native

        return {
            **machine().to_dict(),
            "instruction_set": self.isa,
            "threads": list(self.settings.threads),
            "page_size": mmap.PAGESIZE,
            "huge_pages": _huge_pages(),
            "compiler": _native.compiler,
            "load": self.load,
        }


def _threads(timing: Timing) -> str:
    return "1 thread" if timing.threads == 1 else f"{timing.threads} threads"


def _huge_pages() -> str | None:
    """How Linux hands out transparent huge pages: always, madvise or never; None elsewhere."""
    try:
        text = _HUGE_PAGES.read_text(encoding="ascii")
    except OSError:
        return None
    return text.partition("[")[2].partition("]")[0] or None

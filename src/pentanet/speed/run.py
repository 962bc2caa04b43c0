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
from pentanet.kernels import native
from pentanet.machine import commit, machine
from pentanet.speed import against, layouts, model, multiplier_free
from pentanet.speed.rounds import Limits
from pentanet.speed.settings import Settings

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
        The summary: `limits`, `decode`, `prefill`, `multiplier_free`, `model` and `machine`; docs/commands/speed.md
        has all keys.

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
        self._multiplier_free = multiplier_free.instruction_set(isa)
        per_layout = 1 + len(settings.prompts) + (2 if self._multiplier_free else 0)
        per_thread = len(settings.layouts) * per_layout + (4 if settings.model else 0)
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
        without: list[dict[str, Any]] = []
        for name in self.settings.layouts:
            in_memory[name], used = self._layout(name, found, spread)
            without += self._without_multiplication(name, used)
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
            "multiplier_free": without,
            "model": whole,
            "against": peers,
        }

    def _layout(
        self, name: str, found: dict[str, list[Any]], spread: dict[str, list[float]]
    ) -> tuple[str, dict[tuple[int, int], layouts.Row]]:
        """The layout in memory, and the rows by threads and tokens."""
        matrices = layouts.make(name, self.settings, self.isa)
        rows: dict[tuple[int, int], layouts.Row] = {}

        def keep(kind: str, measured: tuple[layouts.Row, float]) -> None:
            rows[measured[0].threads, measured[0].tokens] = measured[0]
            found[kind].append(measured[0].to_dict())
            spread[kind].append(measured[1])

        for timing in self.timings:
            self.step(f"{name}, decode, {_threads(timing)}")
            keep("decode", matrices.decode(timing, self.limits))
            for tokens in self.settings.prompts:
                self.step(f"{name}, {tokens} tokens, {_threads(timing)}")
                keep("prefill", matrices.prefill(timing, tokens, self.limits))
        return matrices.in_memory, rows

    def _without_multiplication(self, name: str, used: dict[tuple[int, int], layouts.Row]) -> list[dict[str, Any]]:
        """Decode and the shortest prompt with the set that does not multiply."""
        isa = self._multiplier_free
        if isa is None:
            return []
        matrices, rows = layouts.make(name, self.settings, isa), list[layouts.Row]()
        for timing in self.timings:
            self.step(f"{name}, decode without multiplication, {_threads(timing)}")
            rows.append(matrices.decode(timing, self.limits)[0])
            self.step(f"{name}, {self.settings.prompts[0]} tokens without multiplication, {_threads(timing)}")
            rows.append(matrices.prefill(timing, self.settings.prompts[0], self.limits)[0])
        return [multiplier_free.beside(isa, row, used[row.threads, row.tokens]) for row in rows]

    def _model(self) -> tuple[dict[str, Any] | None, dict[str, Any] | None]:
        """The model, and its peers where they are asked for."""
        shape = self.settings.model
        if shape is None:
            return None, None
        self.step(f"writing {shape.name}")
        with model.subject(shape) as subject:
            out = model.describe(subject, self.settings.cache, self.settings.activations)
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

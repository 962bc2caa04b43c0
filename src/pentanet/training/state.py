"""The things that change during a run, and their way to a checkpoint and back."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any

import torch
from torch import Tensor

from pentanet.data.batches import EpochWindows, RandomWindows
from pentanet.families.network import Network
from pentanet.training.checkpoint import Checkpoint, set_weights
from pentanet.training.diagnostics import ZeroSpells
from pentanet.training.optimizers import Optimizers

Batches = EpochWindows | RandomWindows


@dataclass(kw_only=True, slots=True)
class State:
    """What every step changes.

    Attributes:
        step: steps done.
    """

    network: Network
    optimizer: Optimizers
    batches: Batches
    step: int = 0

    def frozen(self, own: Mapping[str, Any], tensors: Mapping[str, Tensor] | None = None) -> Checkpoint:
        """A checkpoint of the state, with what else a run keeps: `own` as JSON, and `tensors` by names of their own."""
        return Checkpoint(
            step=self.step,
            weights=dict(self.network.named_parameters()),
            optimizer={**self.optimizer.state(), **_generators(), **(tensors or {})},
            state={"batches": self.batches.state(), **own},
        )

    @torch.no_grad()
    def thaw(self, checkpoint: Checkpoint) -> None:
        """Continue where `checkpoint` was taken.

        Raises:
            CheckpointError: it is of other weights or batches.
        """
        set_weights(self.network, checkpoint)
        self.optimizer.restore(checkpoint.optimizer)
        _set_generators(checkpoint.optimizer)
        self.batches.restore(checkpoint.state["batches"])
        self.step = checkpoint.step


@dataclass(kw_only=True, slots=True)
class RunState(State):
    """Everything that the next step of a training run depends on.

    Attributes:
        flips: flip rates measured so far, one per validation.
        random_best: least loss on random validation batches, as the publication reports it.
        zero_spells: for how many validations each weight has stood on level 0.
    """

    random_batches: RandomWindows | None
    flips: list[float] = field(default_factory=list[float])
    random_best: float | None = None
    zero_spells: ZeroSpells = field(default_factory=ZeroSpells)

    def checkpoint(self, metrics_length: int) -> Checkpoint:
        """Freeze the state; `metrics_length` is the length in bytes of metrics.jsonl."""
        own: dict[str, Any] = {
            "random_batches": self.random_batches.state() if self.random_batches else None,
            "flips": self.flips,
            "random_best": self.random_best,
            "metrics_length": metrics_length,
        }
        return self.frozen(own, self.zero_spells.tensors())

    def restore(self, checkpoint: Checkpoint) -> int:
        """Continue where `checkpoint` was taken; returns the length of metrics.jsonl at that time."""
        self.thaw(checkpoint)
        state = checkpoint.state
        self.zero_spells.restore(checkpoint.optimizer)
        if self.random_batches is not None:
            self.random_batches.restore(state["random_batches"])
        self.flips, self.random_best = state["flips"], state["random_best"]
        return state["metrics_length"]


def _generators() -> dict[str, Tensor]:
    """States of the global generators, which dropout draws from."""
    found = {"generator/cpu": torch.get_rng_state()}
    for index in range(torch.cuda.device_count()):
        found[f"generator/cuda:{index}"] = torch.cuda.get_rng_state(index)
    return found


def _set_generators(saved: dict[str, Tensor]) -> None:
    torch.set_rng_state(saved["generator/cpu"].clone())
    for index in range(torch.cuda.device_count()):
        if f"generator/cuda:{index}" in saved:
            torch.cuda.set_rng_state(saved[f"generator/cuda:{index}"].clone(), index)

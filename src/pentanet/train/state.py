"""The things that change during a run, and their way to a checkpoint and back."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Any

import torch
from torch import Tensor

from pentanet.data.batches import EpochWindows, RandomWindows
from pentanet.families.network import Network
from pentanet.train.checkpoint import Checkpoint, set_weights
from pentanet.train.diagnostics import ZERO_SPELL, ZeroSpells
from pentanet.train.optimizers import Optimizer

Batches = EpochWindows | RandomWindows


@dataclass(kw_only=True, slots=True)
class RunState:
    """Everything that the next step depends on.

    Attributes:
        step: steps done.
        flips: flip rates measured so far, one per validation.
        random_best: least loss on random validation batches, as the publication reports it.
        zero_spells: for how many validations each weight has stood on level 0.
    """

    network: Network
    optimizer: Optimizer
    batches: Batches
    random_batches: RandomWindows | None
    step: int = 0
    flips: list[float] = field(default_factory=list[float])
    random_best: float | None = None
    zero_spells: ZeroSpells = field(default_factory=ZeroSpells)

    def checkpoint(self, metrics_length: int) -> Checkpoint:
        """Freeze the state; `metrics_length` is the length in bytes of metrics.jsonl."""
        state: dict[str, Any] = {
            "batches": self.batches.state(),
            "random_batches": self.random_batches.state() if self.random_batches else None,
            "flips": self.flips,
            "random_best": self.random_best,
            "metrics_length": metrics_length,
        }
        return Checkpoint(
            step=self.step,
            weights=dict(self.network.named_parameters()),
            optimizer={**self.optimizer.state(), **_generators(), **self.zero_spells.tensors()},
            state=state,
        )

    @torch.no_grad()
    def restore(self, checkpoint: Checkpoint) -> int:
        """Continue where `checkpoint` was taken; returns the length of metrics.jsonl at that time."""
        set_weights(self.network, checkpoint)
        state = checkpoint.state
        own = ("generator/", ZERO_SPELL)
        self.optimizer.restore({k: v for k, v in checkpoint.optimizer.items() if not k.startswith(own)})
        self.zero_spells.restore(checkpoint.optimizer)
        _set_generators(checkpoint.optimizer)
        self.batches.restore(state["batches"])
        if self.random_batches is not None:
            self.random_batches.restore(state["random_batches"])
        self.step, self.flips, self.random_best = checkpoint.step, state["flips"], state["random_best"]
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

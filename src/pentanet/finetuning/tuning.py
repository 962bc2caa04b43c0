"""The steps of a finetuning: a learner whose only aim is what its teacher predicts."""

from __future__ import annotations

import time
from collections.abc import Callable
from pathlib import Path

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from pentanet.data.batches import RandomWindows
from pentanet.data.dataset import TokenStream
from pentanet.families.network import Network
from pentanet.finetuning.config import FinetuneConfig
from pentanet.nn import QuantLinear
from pentanet.nn.precision import CPU, Precision
from pentanet.training.checkpoint import CheckpointStore
from pentanet.training.learner import Learner
from pentanet.training.objective import distilled_loss
from pentanet.training.optimizers import Optimizers
from pentanet.training.schedule import clock_rate
from pentanet.training.state import State

CLIP = 1.0  # of the norm of the gradient
SAVE_SECONDS = 300.0  # between checkpoints: about what a lost process costs


class Tuning(Learner[State]):
    """A student that learns from a teacher; it goes on from the newest checkpoint in `folder`, if there is one.

    Attributes:
        losses: of all steps.

    Raises:
        CheckpointError: the only checkpoint is damaged.
    """

    def __init__(
        self,
        student: Network,
        teacher: Network,
        tokens: NDArray[np.int64],
        config: FinetuneConfig,
        precision: Precision,
        folder: Path,
        warn: Callable[[str], None],
    ) -> None:
        stream = TokenStream(tokens=tokens.astype(np.uint32), name="the text")
        state = State(
            network=student,
            optimizer=_optimizers(student, config),
            batches=RandomWindows(stream, config.batch, config.window, config.seed),
        )
        # One window at a time: logits of large vocabularies take most of the memory.
        super().__init__(state, device=CPU, precision=precision, clip=CLIP, windows=1)
        self.teacher, self.config = teacher.requires_grad_(False), config
        self.losses: list[float] = []
        self._store = CheckpointStore(folder, 1, warn)
        self._saved = time.monotonic()
        if (checkpoint := self._store.newest()) is not None:
            state.thaw(checkpoint)
            self.losses, self.seconds = list(checkpoint.state["losses"]), checkpoint.state["seconds"]

    @property
    def share(self) -> float:
        """Of the work that is done, by steps or by time; 1 at the end."""
        by_steps = self.state.step / self.config.steps
        by_time = self.seconds / (60 * self.config.minutes) if self.config.minutes else 0.0
        return min(max(by_steps, by_time), 1.0)

    @property
    def finished(self) -> bool:
        """Whether all steps are made, or the time is over."""
        return self.share >= 1.0

    def save(self) -> None:
        """Write a checkpoint of everything that the next step depends on."""
        self._store.save(self.state.frozen({"losses": self.losses, "seconds": self.seconds}))
        self._saved = time.monotonic()

    def _due(self) -> bool:
        return time.monotonic() - self._saved >= SAVE_SECONDS

    def _loss(self, x_BT: Tensor, y_BT: Tensor) -> Tensor:
        return distilled_loss(self.state.network, self.teacher, x_BT, y_BT, 1.0)

    def _step(self) -> float:
        gradient = self._forward_backward()
        self.state.optimizer.apply(clock_rate(self.share, 1 / self.config.steps))
        self.state.step += 1
        self.losses.append(gradient.loss)
        return gradient.loss

    def _advice(self) -> str:
        return "lower the rates: --lr and --weight-lr"


def _optimizers(student: Network, config: FinetuneConfig) -> Optimizers:
    """AdamW with one rate for the weights, which count in steps from level to level, and one for everything else."""
    linears = (m for m in student.modules() if isinstance(m, QuantLinear) and m.weight.requires_grad)
    matrices = {id(m.weight): m.weight.requires_grad_(config.weight_lr > 0) for m in linears}
    others = [p for p in student.parameters() if p.requires_grad and id(p) not in matrices]
    rates = [(others, config.lr), (list(matrices.values()), config.weight_lr)]
    groups = [{"params": parameters, "lr": peak} for parameters, peak in rates if peak]
    return Optimizers(student, [torch.optim.AdamW(groups, betas=(0.9, 0.95), weight_decay=0.0, fused=True)])

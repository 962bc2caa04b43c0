"""The steps of a finetuning, and their way to a checkpoint and back."""

from __future__ import annotations

import math
import time
from typing import TYPE_CHECKING

import numpy as np
import torch
import torch.nn.functional as F
from numpy.typing import NDArray
from torch import Tensor

from pentanet.errors import NonFiniteLossError
from pentanet.families.network import Network
from pentanet.nn import QuantLinear
from pentanet.nn.precision import Precision, autocast
from pentanet.train.checkpoint import Checkpoint, set_weights

if TYPE_CHECKING:
    from pentanet.finetune.config import FinetuneConfig

CLIP = 1.0  # of the norm of the gradient


class Tuning:
    """A student that learns from a teacher.

    Attributes:
        done: steps.
        share: of the work that is done; 1 at the end.
        losses: of all steps.
        seconds: of work, before a stop too.
    """

    def __init__(
        self,
        student: Network,
        teacher: Network,
        tokens: NDArray[np.int64],
        config: FinetuneConfig,
        precision: Precision,
    ) -> None:
        self.student, self.teacher = student, teacher.requires_grad_(False)
        self.tokens, self.config = tokens, config
        self.precision: Precision = precision
        linears = (m for m in student.modules() if isinstance(m, QuantLinear) and m.weight.requires_grad)
        matrices = {id(m.weight): m.weight.requires_grad_(config.weight_lr > 0) for m in linears}
        others = [p for p in student.parameters() if p.requires_grad and id(p) not in matrices]
        rates = [(others, config.lr), (list(matrices.values()), config.weight_lr)]
        groups = [{"params": parameters, "peak": peak} for parameters, peak in rates if peak]
        self._learning = [p for parameters, peak in rates if peak for p in parameters]
        self._optimizer = torch.optim.AdamW(groups, betas=(0.9, 0.95), weight_decay=0.0, fused=True)
        self._random = np.random.RandomState(config.seed)
        self.done, self.share, self.seconds = 0, 0.0, 0.0
        self.losses: list[float] = []

    def step(self) -> float:
        """One step of the optimizer; its loss.

        Raises:
            NonFiniteLossError: the loss or its gradient is not finite.
        """
        started = time.monotonic()
        for group in self._optimizer.param_groups:
            group["lr"] = group["peak"] * _rate(self.share, 1 / self.config.steps)
        loss = self._backward()
        norm = torch.nn.utils.clip_grad_norm_(self._learning, CLIP)
        if not math.isfinite(loss) or not math.isfinite(float(norm)):
            raise NonFiniteLossError(
                f"step {self.done}: the loss or its gradient is not finite; lower the rates: --lr and --weight-lr"
            )
        self._optimizer.step()
        self._optimizer.zero_grad(set_to_none=True)
        self.losses.append(loss)
        self.done += 1
        self.seconds += time.monotonic() - started
        self.share = self.done / self.config.steps
        if self.config.minutes:
            self.share = min(max(self.share, self.seconds / (60 * self.config.minutes)), 1.0)
        return loss

    def checkpoint(self) -> Checkpoint:
        """Everything that the next step depends on."""
        names = {id(p): name for name, p in self.student.named_parameters()}
        state = {
            f"{names[id(parameter)]}/{key}": torch.as_tensor(value)
            for parameter, values in self._optimizer.state.items()
            for key, value in values.items()
        }
        return Checkpoint(
            step=self.done,
            weights=dict(self.student.named_parameters()),
            optimizer=state,
            state={"losses": self.losses, "share": self.share, "seconds": self.seconds},
        )

    def restore(self, checkpoint: Checkpoint | None) -> None:
        """Continue where a checkpoint was taken; from the start without one.  Raises CheckpointError."""
        if checkpoint is None:
            return
        set_weights(self.student, checkpoint)
        by_name: dict[str, dict[str, Tensor]] = {}
        for name, value in checkpoint.optimizer.items():
            parameter, _, key = name.rpartition("/")
            by_name.setdefault(parameter, {})[key] = value
        parameters = dict(self.student.named_parameters())
        for name, values in by_name.items():
            self._optimizer.state[parameters[name]] = values
        for _ in range(checkpoint.step):
            self._starts()  # the next ones are those of the next step
        self.done, self.losses = checkpoint.step, list(checkpoint.state["losses"])
        self.share, self.seconds = checkpoint.state["share"], checkpoint.state["seconds"]

    def _starts(self) -> NDArray[np.int64]:
        return self._random.randint(0, len(self.tokens) - self.config.window, self.config.batch)

    def _backward(self) -> float:
        """The loss of a batch, with its gradient."""
        x = torch.from_numpy(np.stack([self.tokens[s : s + self.config.window] for s in self._starts()]))
        total = 0.0
        for window in x.split(1):  # one at a time: logits of large vocabularies take most of the memory
            with autocast(torch.device("cpu"), self.precision):
                with torch.no_grad():
                    wanted = self.teacher(window).float().softmax(-1)
                logits = self.student(window).float().flatten(0, 1)
                loss = F.cross_entropy(logits, wanted.flatten(0, 1)) / self.config.batch
            loss.backward()
            total += float(loss.detach())
        return total


def _rate(share: float, first: float) -> float:
    """Share of the peak rate when `share` of the run is done."""
    warm = min(1.0, (share + first) / 0.05)
    return warm * 0.5 * (1 + math.cos(math.pi * share))

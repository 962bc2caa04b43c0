"""The steps of an optimizer until the end or a stop: what training and finetuning have in common."""

from __future__ import annotations

import math
import time
from abc import ABC, abstractmethod
from collections.abc import Callable
from dataclasses import dataclass
from typing import Generic, TypeVar

import torch
from torch import Tensor

from pentanet.errors import NonFiniteLossError
from pentanet.nn.precision import Precision, autocast
from pentanet.training.signals import StopRequest
from pentanet.training.state import State

S = TypeVar("S", bound=State)


@dataclass(frozen=True, kw_only=True, slots=True)
class Gradient:
    """What is known of a batch before its update.

    Attributes:
        loss: in nats per token.
        norm: of the gradient, before it was clipped.
    """

    loss: float
    norm: float


class Learner(ABC, Generic[S]):
    """A network that learns.

    Args:
        state: the network, its optimizer and its batches.
        clip: largest norm of the gradient; 0 clips nothing.
        windows: in one forward pass; 0 for the whole batch.  Gradients of the passes are added up.

    Attributes:
        seconds: of work, before a stop too.
    """

    def __init__(self, state: S, *, device: torch.device, precision: Precision, clip: float, windows: int = 0) -> None:
        self.state = state
        self.device = device
        self.precision: Precision = precision
        self.seconds = 0.0
        self._clip, self._windows = clip, windows

    @property
    @abstractmethod
    def finished(self) -> bool:
        """Whether nothing is left to do."""

    @abstractmethod
    def save(self) -> None:
        """Write a checkpoint."""

    @abstractmethod
    def _due(self) -> bool:
        """Whether it is time for a checkpoint."""

    @abstractmethod
    def _loss(self, x_BT: Tensor, y_BT: Tensor) -> Tensor:
        """Mean loss of some windows in nats per token."""

    @abstractmethod
    def _step(self) -> float:
        """One step of the optimizer; returns its loss."""

    @abstractmethod
    def _advice(self) -> str:
        """What helps against a loss that is not finite; the end of a sentence."""

    def learn(self, stop: StopRequest, told: Callable[[float], None]) -> bool:
        """Make steps until all are made or `stop` comes; True if all are made.

        The last step saves nothing, nor does a stop: that is up to the caller.

        Args:
            told: given the loss after each step.

        Raises:
            NonFiniteLossError: a loss or the gradient became NaN or infinite; nothing of that is saved.
        """
        started, before = time.monotonic(), self.seconds
        while not self.finished and not stop:
            loss = self._step()
            self.seconds = before + time.monotonic() - started
            if self._due() and not self.finished:
                self.save()
            told(loss)
        return self.finished

    def _forward_backward(self) -> Gradient:
        """The next batch's loss and gradient, which is clipped and left in the parameters."""
        x, y = (torch.from_numpy(part).to(self.device) for part in self.state.batches.next())
        windows = self._windows or len(x)
        value = 0.0
        for first in range(0, len(x), windows):
            part = slice(first, first + windows)
            with autocast(self.device, self.precision):
                loss = self._loss(x[part], y[part]) / (len(x) / len(x[part]))
            loss.backward()
            value += loss.item()
        norm = torch.nn.utils.clip_grad_norm_(self.state.network.parameters(), self._clip or math.inf).item()
        self._require_finite("loss", value, self.state.step + 1)
        self._require_finite("norm of the gradient", norm, self.state.step + 1)
        return Gradient(loss=value, norm=norm)

    def _require_finite(self, what: str, value: float, step: int) -> None:
        if not math.isfinite(value):
            raise NonFiniteLossError(f"step {step}: the {what} is {value}; {self._advice()}")

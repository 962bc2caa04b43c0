"""Rules that set a scale from the weights that share it.

Each rule maps blocks [a, b, n] to scales [a, b, 1].  Methods call them without gradient: the scale is a statistic of
the weights, and the straight-through gradient treats it as a constant (Hestia alone does not).  All scales are clamped,
at 1e-8 (the seed's epsilon) unless said, so that a block of zeros keeps a positive scale.

A rule is data: equal rules compare equal, `str` says what it does, and `gaussian` is what it gives for unit Gaussian
weights, from which the theory of a method follows.
"""

from __future__ import annotations

from abc import ABC, abstractmethod
from dataclasses import dataclass

import torch
from torch import Tensor

from pentanet.grid import GAUSSIAN_ABSMEAN, Grid

EPSILON = 1e-8
LARGEST = 1e30  # of a learned step: infinity times level 0 is not a number
HALF_LEAST, HALF_MOST = 2.0**-14, 65504.0  # the normal numbers of float16


class ScaleRule(ABC):
    """What the value of level 1 is."""

    @abstractmethod
    def __call__(self, blocks: Tensor) -> Tensor:
        """Scales [a, b, 1] of blocks [a, b, n]."""

    @property
    def gaussian(self) -> float | None:
        """The scale of very many unit Gaussian weights; None where it has no limit, or training moves it."""
        return None


@dataclass(frozen=True, slots=True)
class AbsMean(ScaleRule):
    """Factor * mean|w| + added, at least `floor`."""

    factor: float = 1.0
    added: float = 0.0
    floor: float = EPSILON

    def __call__(self, blocks: Tensor) -> Tensor:
        return blocks.abs().mean(-1, keepdim=True).mul_(self.factor).add_(self.added).clamp_(min=self.floor)

    @property
    def gaussian(self) -> float:
        return self.factor * GAUSSIAN_ABSMEAN

    def __str__(self) -> str:
        return "mean abs" if self.factor == 1 else f"{self.factor:.4g} mean abs"


@dataclass(frozen=True, slots=True)
class Rms(ScaleRule):
    """Factor * sqrt(mean w^2)."""

    factor: float = 1.0

    def __call__(self, blocks: Tensor) -> Tensor:
        # vector_norm reads the weights once and makes no squared copy.
        norm = blocks.norm(dim=-1, keepdim=True)  # not changed in place: its gradient reads it
        return (norm * (self.factor * blocks.shape[-1] ** -0.5)).clamp_(min=EPSILON)

    @property
    def gaussian(self) -> float:
        return self.factor

    def __str__(self) -> str:
        return f"{self.factor:.4f} rms"


@dataclass(frozen=True, slots=True)
class AbsMax(ScaleRule):
    """max|w| / highest."""

    highest: int

    def __call__(self, blocks: Tensor) -> Tensor:
        return blocks.abs().amax(-1, keepdim=True).div_(self.highest).clamp_(min=EPSILON)

    def __str__(self) -> str:
        return f"max abs / {self.highest}"


@dataclass(frozen=True, slots=True)
class Learned(ScaleRule):
    """A step that training moves, and the rule that it starts from."""

    start: ScaleRule

    def __call__(self, blocks: Tensor) -> Tensor:
        return self.start(blocks)

    def __str__(self) -> str:
        return f"learned, from {self.start}"


def absmean(factor: float = 1.0, *, added: float = 0.0, floor: float = EPSILON) -> AbsMean:
    """Factor * mean|w| + added, at least `floor`: BitNet b1.58 and the published PentaNet, with factor 1."""
    return AbsMean(factor, added, floor)


def rms(factor: float) -> Rms:
    """Factor * sqrt(mean w^2)."""
    return Rms(factor)


def rms_optimal(grid: Grid) -> Rms:
    """The scale with the least squared error if the weights are Gaussian (QuEST 2502.05003, extended to any grid)."""
    return Rms(grid.optimal_scale())


def absmax(grid: Grid) -> AbsMax:
    """max|w| at the highest level: nothing is clipped.  For storing embeddings and heads in int8."""
    return AbsMax(grid.highest)


def learned(start: ScaleRule) -> Learned:
    """A step that is trained beside the weights, from the value of `start` on."""
    return Learned(start)


def as_half(scales: Tensor) -> Tensor:
    """Scales rounded to float16 where they are in its range."""
    inside = (scales >= HALF_LEAST) & (scales <= HALF_MOST)
    return torch.where(inside, scales.half().float(), scales)

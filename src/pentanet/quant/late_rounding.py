"""Rounding that begins late, or little by little, for any method.

In the first part of the training the forward pass multiplies by the latent weight, as full precision does; then it
moves to the rounded weight in a straight line, or at once.  The rest trains what will be stored.
"""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray
from torch import Tensor

from pentanet.codes import Codes
from pentanet.quant.base import Quantizer


class LateQuantizer(Quantizer):
    """`inner`, from the share `start` of the training on, and alone from `start + anneal` on.

    What `inner` sees as progress begins at `start`: a schedule of its own has the rest of the training for itself.
    """

    def __init__(self, inner: Quantizer, *, start: float, anneal: float) -> None:
        super().__init__()
        assert 0 <= start < 1 and anneal >= 0 and start + anneal <= 1
        self.inner, self.start, self.anneal = inner, start, anneal

    def initialize(self, weight: Tensor) -> None:
        self.inner.initialize(weight)

    def latent(self, weight: Tensor) -> Tensor:
        return self.inner.latent(weight)

    def fake(self, weight: Tensor, progress: float) -> Tensor:
        share = self.share(progress) if self.training else 1.0
        if share == 0:
            return self.latent(weight)
        used = self.inner.fake(weight, max(0.0, (progress - self.start) / (1 - self.start)))
        return used if share == 1 else self.latent(weight).lerp(used, share)

    def share(self, progress: float) -> float:
        """Share of the rounded weight in the forward pass."""
        done = progress - self.start
        if done < 0:
            return 0.0
        return min(1.0, done / self.anneal) if self.anneal and progress < 1 else 1.0

    def bias(self, weight: Tensor, used: Tensor) -> Tensor | None:
        return self.inner.bias(weight, used)

    def export(self, weight: Tensor) -> Codes | NDArray[np.float32]:
        return self.inner.export(weight)

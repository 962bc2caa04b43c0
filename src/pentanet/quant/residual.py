"""Let some of the latent weight through while training, less and less of it.

Arenas (Sherry, 2601.07892) multiplies by Q(W) + lam W, so that the gradient of a layer's input does not collapse to the
few directions of a ternary matrix.  lam follows the progress of the training and ends at 0; validation and export
see Q(W) alone.
"""

from __future__ import annotations

import math
from collections.abc import Callable

import numpy as np
from numpy.typing import NDArray
from torch import Tensor

from pentanet.codes import Codes
from pentanet.quant.base import Quantizer

Schedule = Callable[[float], float]
WARMUP = 0.1
MIX_ENDS = 0.6


def arenas(progress: float) -> float:
    """Sherry's released schedule: up from 0 to 1 in the first 10 %, then half a cosine down to 0."""
    if progress < WARMUP:
        return progress / WARMUP
    return 0.5 * (1 + math.cos(math.pi * (progress - WARMUP) / (1 - WARMUP)))


def early_cosine(progress: float) -> float:
    """Half a cosine from 1 to 0 at 60 % of the training: the rest is spent on what will be stored.  Ours."""
    return 0.5 * (1 + math.cos(math.pi * progress / MIX_ENDS)) if progress < MIX_ENDS else 0.0


class ResidualQuantizer(Quantizer):
    """Q(W) + lam W with the quantizer `inner`, or with `normalized` (Q(W) + lam W) / (1 + lam).

    The plain sum makes the forward weight up to twice as large as what is stored; normalized it keeps its size.
    """

    def __init__(self, inner: Quantizer, schedule: Schedule, *, normalized: bool = False) -> None:
        super().__init__()
        assert type(inner).bias is Quantizer.bias, "a bias would be made of the mixture"
        self.inner, self.schedule, self.normalized = inner, schedule, normalized

    def initialize(self, weight: Tensor) -> None:
        self.inner.initialize(weight)

    def latent(self, weight: Tensor) -> Tensor:
        return self.inner.latent(weight)

    def fake(self, weight: Tensor, progress: float) -> Tensor:
        used = self.inner.fake(weight, progress)
        share = self.schedule(progress) if self.training else 0.0
        if share == 0.0:
            return used
        mixed = used.add(self.latent(weight), alpha=share)
        return mixed / (1 + share) if self.normalized else mixed

    def export(self, weight: Tensor) -> Codes | NDArray[np.float32]:
        return self.inner.export(weight)

"""What the levels do during training: occupancy, churn, shape of the latent weights.

Occupancy alone proves nothing (a scale rule that follows the weights keeps a Gaussian's occupancy for ever), so it
stands beside the flip rate and the kurtosis.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

import numpy as np
import torch
from numpy.typing import NDArray
from torch import nn

from pentanet.codes import Codes
from pentanet.nn import method_modules

Levels = dict[str, NDArray[np.int8]]


@torch.no_grad()
def levels(model: nn.Module) -> Levels:
    """Levels of every weight under the method, by module; empty for full precision."""
    found: Levels = {}
    for name, module in method_modules(model):
        codes = module.quantizer.export(module.weight)
        if isinstance(codes, Codes):
            found[name] = codes.levels
    return found


def levels_of(exported: Mapping[str, Codes]) -> Levels:
    """Levels alone of what a method made of the weights, by module."""
    return {name: codes.levels for name, codes in exported.items()}


def changed(before: Levels, after: Levels) -> float | None:
    """Share of weights whose level differs; None without any."""
    total = sum(x.size for x in after.values())
    if not total:
        return None
    return sum(int(np.count_nonzero(before[name] != after[name])) for name in after) / total


def occupancy(found: Levels) -> dict[str, float] | None:
    """Share of weights on each level that occurs, lowest first; None without any."""
    counts = np.zeros(256, np.int64)
    for x in found.values():
        counts += np.bincount(x.ravel().astype(np.int16) + 128, minlength=256)
    total = int(counts.sum())
    return {str(i - 128): int(n) / total for i, n in enumerate(counts) if n} if total else None


@dataclass(frozen=True, kw_only=True, slots=True)
class LatentShape:
    """Shape of the latent weights under the method, averaged over matrices by their size.

    Attributes:
        kurtosis: excess kurtosis; 0 for a Gaussian.
        rms: root mean square.
    """

    kurtosis: float
    rms: float


@torch.no_grad()
def latent_shape(model: nn.Module) -> LatentShape:
    """Moments of the latent weights of all modules under the method."""
    total, kurtosis, square = 0, 0.0, 0.0
    for _, module in method_modules(model):
        w = module.weight.double()
        n, second = w.numel(), w.square().mean()
        centred = w - w.mean()
        variance = centred.square().mean().clamp_min(1e-30)
        kurtosis += n * (centred.pow(4).mean() / variance.square() - 3).item()
        square += n * second.item()
        total += n
    return LatentShape(kurtosis=kurtosis / total, rms=(square / total) ** 0.5)

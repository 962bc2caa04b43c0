"""The interface of every weight method."""

from __future__ import annotations

from abc import ABC, abstractmethod

import numpy as np
from numpy.typing import NDArray
from torch import Tensor, nn

from pentanet.codes import Codes


class Quantizer(nn.Module, ABC):
    """Turns a latent weight into what the forward pass multiplies by, and into what the file stores.

    The contract that every subclass is tested for: with `progress` 1, `fake` is bit for bit what `export` stores, so
    nothing is lost between the last training step and the packed model.  The same holds for `bias`.

    A method that trains with something else than what it stores does so only with `training` set and `progress` below
    1: validation sees what the file would hold.
    """

    def initialize(self, weight: Tensor) -> None:
        """Set method-specific state from the weight [rows, cols]; nothing by default.

        Called for the freshly initialized weight, and again where rounding begins later (`LateQuantizer`).
        """

    def latent(self, weight: Tensor) -> Tensor:
        """The weight [rows, cols] as it would be used without rounding: itself, unless the method rotates it."""
        return weight

    @abstractmethod
    def fake(self, weight: Tensor, progress: float) -> Tensor:
        """The weight [rows, cols] that the forward pass uses.

        Args:
            weight: latent float32 weight [rows, cols].
            progress: share of the training that is done, 0 to 1; comes from the trainer, never from counting calls.
        """

    def bias(self, weight: Tensor, used: Tensor) -> Tensor | None:
        """What a linear adds to each of its outputs [rows]; None for most methods, and an embedding ignores it.

        Args:
            weight: latent float32 weight [rows, cols].
            used: what `fake` made of it.
        """
        del weight, used

    @abstractmethod
    def export(self, weight: Tensor) -> Codes | NDArray[np.float32]:
        """What the packed file stores: levels and scales, or plain float32 values for unquantized storage."""

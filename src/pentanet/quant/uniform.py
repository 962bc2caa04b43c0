"""Round to nearest on an evenly spaced grid, with a scale that is a statistic of the weights."""

from __future__ import annotations

from typing import TYPE_CHECKING, Self

import numpy as np
import torch
from torch import Tensor

from pentanet.codes import Codes
from pentanet.errors import ConfigError
from pentanet.grid import Grid
from pentanet.quant.base import Quantizer
from pentanet.quant.gradients import GradientRule, replace, round_blocks, straight_through
from pentanet.quant.granularity import Granularity
from pentanet.quant.scales import EPSILON, ScaleRule

if TYPE_CHECKING:
    from pentanet.quant.method import Method


class UniformQuantizer(Quantizer):
    """Grid x granularity x scale rule x gradient rule: most published methods are one choice of the four."""

    def __init__(
        self, grid: Grid, granularity: Granularity, scale: ScaleRule, gradient: GradientRule = "identity"
    ) -> None:
        super().__init__()
        self.grid, self.granularity, self.scale = grid, granularity, scale
        self.gradient: GradientRule = gradient

    @classmethod
    def of(cls, method: Method) -> Self:
        """The quantizer of the four choices of `method`.

        Raises:
            ConfigError: one of them is missing.
        """
        if method.grid is None or method.granularity is None or method.scale is None:
            raise ConfigError(
                f"method '{method.name}': name its grid, granularity and scale, or a `build` that needs none of them"
            )
        return cls(method.grid, method.granularity, method.scale, method.gradient)

    def scales(self, weight: Tensor) -> Tensor:
        """Scales [a, b, 1] of the blocks of `weight` [rows, cols]."""
        return self.scale(self.granularity.blocks(weight))

    def fake(self, weight: Tensor, progress: float) -> Tensor:
        del progress  # the same rounding from the first step to the last
        blocks = self.granularity.blocks(weight)
        with torch.no_grad():
            scales = self.scales(weight)
        return straight_through(blocks, scales, self.grid, self.gradient).view_as(weight)

    @torch.no_grad()
    def export(self, weight: Tensor) -> Codes:
        scales = self.scales(weight)
        levels = round_blocks(self.granularity.blocks(weight), scales, self.grid)
        return Codes(
            levels.view_as(weight).cpu().numpy().astype(np.int8), scales.squeeze(-1).cpu().numpy().copy(), self.grid
        )


class RescaledQuantizer(UniformQuantizer):
    """The same levels, worth so much that the mean square of a block is that of its latent weights.

    The scale rule sets the thresholds alone.  Not the least squared error: a control for what the size of weights does.
    """

    def fake(self, weight: Tensor, progress: float) -> Tensor:
        del progress
        with torch.no_grad():
            levels, scales = self._levels_and_scales(weight)
            used = (levels * scales).view_as(weight)
        return replace(weight, used)

    @torch.no_grad()
    def export(self, weight: Tensor) -> Codes:
        levels, scales = self._levels_and_scales(weight)
        levels = levels.view_as(weight).cpu().numpy().astype(np.int8)
        return Codes(levels, scales.squeeze(-1).cpu().numpy().copy(), self.grid)

    def _levels_and_scales(self, weight: Tensor) -> tuple[Tensor, Tensor]:
        blocks = self.granularity.blocks(weight)
        levels = round_blocks(blocks, self.scales(weight), self.grid)
        # A block of zeros has no size to keep: its levels are zero, and any positive scale will do.
        size, rounded = blocks.norm(dim=-1, keepdim=True), levels.norm(dim=-1, keepdim=True).clamp_(min=1.0)
        return levels, (size / rounded).clamp_(min=EPSILON)


class Cast(Quantizer):
    """No grid: the weight, times `factor`, is stored in bfloat16 or float32, and training sees it so rounded."""

    def __init__(self, dtype: torch.dtype, factor: float = 1.0) -> None:
        super().__init__()
        self.dtype, self.factor = dtype, factor

    def fake(self, weight: Tensor, progress: float) -> Tensor:
        del progress
        if self.factor != 1:
            weight = weight * self.factor
        if self.dtype == weight.dtype:
            return weight
        return replace(weight, weight.detach().to(self.dtype).to(weight.dtype))

    @torch.no_grad()
    def export(self, weight: Tensor) -> np.ndarray[tuple[int, ...], np.dtype[np.float32]]:
        return (weight * self.factor).to(self.dtype).float().cpu().numpy()

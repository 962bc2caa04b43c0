"""Round to nearest on an evenly spaced grid, with a scale that is a statistic of the weights."""

from __future__ import annotations

import numpy as np
import torch
from torch import Tensor, nn

from pentanet.codes import Codes
from pentanet.grid import Grid
from pentanet.quant.base import Quantizer
from pentanet.quant.gradients import GradientRule, learned_step, replace, round_blocks, straight_through, stretched_step
from pentanet.quant.granularity import ROW, Granularity
from pentanet.quant.scales import EPSILON, LARGEST, ScaleRule, rms_optimal


class UniformQuantizer(Quantizer):
    """Grid x granularity x scale rule x gradient rule: most published methods are one choice of the four."""

    def __init__(
        self, grid: Grid, granularity: Granularity, scale: ScaleRule, gradient: GradientRule = "identity"
    ) -> None:
        super().__init__()
        self.grid, self.granularity, self.scale = grid, granularity, scale
        self.gradient: GradientRule = gradient

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


class LearnedStepQuantizer(UniformQuantizer):
    """The same rounding with scales that are trained beside the weights (LSQ, 1902.08153).

    The steps start at the Gaussian optimum, not at LSQ's 2 mean|w| / sqrt(highest): from scratch that is too wide.
    What the optimizer moves is the logarithm of the step, as in TQT (1903.08066): then a rate means the same for a
    small step as for a large one, and no step becomes negative, from where LSQ has no way back.
    """

    def __init__(self, grid: Grid, granularity: Granularity = ROW) -> None:
        super().__init__(grid, granularity, rms_optimal(grid))
        self.log_step = nn.Parameter(torch.empty(0))

    @torch.no_grad()
    def initialize(self, weight: Tensor) -> None:
        steps = self.scale(self.granularity.blocks(weight)).log_()
        if self.log_step.shape == steps.shape:
            self.log_step.copy_(steps)  # the optimizer knows this parameter
        else:
            self.log_step = nn.Parameter(steps)

    def scales(self, weight: Tensor) -> Tensor:
        del weight
        return self.log_step.exp().clamp(min=EPSILON, max=LARGEST)

    def fake(self, weight: Tensor, progress: float) -> Tensor:
        del progress
        blocks = self.granularity.blocks(weight)
        return learned_step(blocks, self.scales(weight), self.grid).view_as(weight)


class StretchedStepQuantizer(LearnedStepQuantizer):
    """Learned steps with the range of ParetoQ's Stretched Elastic Quant (2502.02631).

    Its levels and thresholds are those of the grid: with the step a of the paper, level 1 is worth a / 4 on four levels
    and 2a / 3 on three.  ParetoQ starts at the largest weight of the row, since it starts from a trained network; from
    scratch that is four times too wide, and the steps start at the Gaussian optimum here too.
    """

    def fake(self, weight: Tensor, progress: float) -> Tensor:
        del progress
        blocks = self.granularity.blocks(weight)
        return stretched_step(blocks, self.scales(weight), self.grid).view_as(weight)


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

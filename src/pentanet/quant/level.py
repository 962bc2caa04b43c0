"""Levels that are trained by themselves: for a model that is quantized already, whose original weights are not kept."""

from __future__ import annotations

import numpy as np
import torch
from torch import Tensor, nn

from pentanet.codes import Codes
from pentanet.quant.base import Quantizer
from pentanet.quant.gradients import nearest_level, replace, straight_through
from pentanet.quant.granularity import Granularity
from pentanet.quant.learned_step import step_of
from pentanet.quant.scales import as_half


class LevelQuantizer(Quantizer):
    """step * round(latent): latent weights are in units of the step, and start in the middle of their levels.

    So changing the step scales every level with it (as in the second phase of EfficientQAT, 2407.11062).  Plain LSQ
    (1902.08153) keeps latent weights in units of the weights; a latent weight in the middle of its level then gives the
    step no gradient.  Latent weights taken from the original do not help: GPTQ has moved many of them several levels,
    so they would start at the edges of their levels, and the first updates would undo the calibration.

    Steps are rounded to float16 in training too, so that what is trained is what is written.
    """

    def __init__(self, codes: Codes) -> None:
        super().__init__()
        rows, groups = codes.scales.shape
        self.grid = codes.grid
        self.granularity = Granularity("as packed", codes.shape[1] // groups if rows > 1 else None)
        self.log_step = nn.Parameter(torch.from_numpy(codes.scales)[:, :, None].log())

    def steps(self) -> Tensor:
        """Steps [a, b, 1], as they are written."""
        steps = step_of(self.log_step)
        return replace(steps, as_half(steps.detach()))

    def fake(self, weight: Tensor, progress: float) -> Tensor:
        del progress
        blocks = self.granularity.blocks(weight)
        levels = straight_through(blocks, torch.ones(()), self.grid, "identity")
        return (levels * self.steps()).view_as(weight)

    @torch.no_grad()
    def export(self, weight: Tensor) -> Codes:
        levels = nearest_level(weight.clone(), self.grid).numpy().astype(np.int8)
        return Codes(levels, self.steps().squeeze(-1).numpy().copy(), self.grid)

"""A learned step per row with the gradient of Stretched Elastic Quant (ParetoQ, 2502.02631).

Its levels and thresholds are those of the grid: with the step a of the paper, level 1 is worth a / 4 on four levels and
2a / 3 on three.  ParetoQ starts at the largest weight of the row, since it starts from a trained network; from scratch
that is four times too wide, and the steps start at the Gaussian optimum here too.

The gradient of the step is the exact derivative of what is computed: for a clipped ternary weight d(2a / 3)/da, 2/3,
where the released code takes 1.  Source: models/utils_quant.py of facebookresearch/ParetoQ.
"""

from pentanet.grid import QUATERNARY, TERNARY
from pentanet.quant.granularity import ROW
from pentanet.quant.learned_step import LearnedStepQuantizer
from pentanet.quant.method import Method
from pentanet.quant.scales import learned, rms_optimal

METHODS = tuple(
    Method(
        name=name,
        title=f"{grid.name}, learned row step (ParetoQ)",
        paper="2502.02631",
        grid=grid,
        granularity=ROW,
        scale=learned(rms_optimal(grid)),
        gradient="stretched",
        build=LearnedStepQuantizer.of,
    )
    for name, grid in (("paretoq-seq", QUATERNARY), ("paretoq-ternary", TERNARY))
)

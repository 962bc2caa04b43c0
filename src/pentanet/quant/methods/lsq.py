"""Learned Step Size Quantization (1902.08153): a step per row that is trained beside the weights."""

from pentanet.grid import PENTANARY, QUATERNARY, SEPTENARY, TERNARY
from pentanet.quant.granularity import ROW
from pentanet.quant.learned_step import LearnedStepQuantizer
from pentanet.quant.method import Method
from pentanet.quant.scales import learned, rms_optimal

METHODS = tuple(
    Method(
        name=f"lsq-{grid.name}",
        title=f"{grid.name}, learned row step",
        paper="1902.08153",
        grid=grid,
        granularity=ROW,
        scale=learned(rms_optimal(grid)),
        gradient="clipped",
        build=LearnedStepQuantizer.of,
    )
    for grid in (TERNARY, QUATERNARY, PENTANARY, SEPTENARY)
)

"""Four levels, -3 -1 1 3, with a learned step per row (LSQ, 1902.08153)."""

from pentanet.grid import QUATERNARY
from pentanet.quant.granularity import ROW
from pentanet.quant.method import Method
from pentanet.quant.uniform import LearnedStepQuantizer

METHOD = Method(
    name="lsq-quaternary",
    title="quaternary, learned row step",
    grid=QUATERNARY,
    granularity=ROW,
    make=lambda: LearnedStepQuantizer(QUATERNARY, ROW),
)

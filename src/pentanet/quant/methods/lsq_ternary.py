"""Three levels with a learned step per row (LSQ, 1902.08153)."""

from pentanet.grid import TERNARY
from pentanet.quant.granularity import ROW
from pentanet.quant.method import Method
from pentanet.quant.uniform import LearnedStepQuantizer

METHOD = Method(
    name="lsq-ternary",
    title="ternary, learned row step",
    grid=TERNARY,
    granularity=ROW,
    make=lambda: LearnedStepQuantizer(TERNARY, ROW),
)

"""Five levels with a learned step per row (LSQ, 1902.08153)."""

from pentanet.grid import PENTANARY
from pentanet.quant.granularity import ROW
from pentanet.quant.method import Method
from pentanet.quant.uniform import LearnedStepQuantizer

METHOD = Method(
    name="lsq-pentanary",
    title="pentanary, learned row step",
    grid=PENTANARY,
    granularity=ROW,
    make=lambda: LearnedStepQuantizer(PENTANARY, ROW),
)

"""Seven levels with a learned step per row (LSQ, 1902.08153)."""

from pentanet.grid import SEPTENARY
from pentanet.quant.granularity import ROW
from pentanet.quant.method import Method
from pentanet.quant.uniform import LearnedStepQuantizer

METHOD = Method(
    name="lsq-septenary",
    title="septenary, learned row step",
    grid=SEPTENARY,
    granularity=ROW,
    make=lambda: LearnedStepQuantizer(SEPTENARY, ROW),
)

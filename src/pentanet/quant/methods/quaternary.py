"""Four levels without a zero, -3 -1 1 3 times half a step, with one scale per row at the Gaussian optimum."""

from pentanet.grid import QUATERNARY
from pentanet.quant.granularity import ROW
from pentanet.quant.method import Method
from pentanet.quant.scales import rms_optimal
from pentanet.quant.uniform import UniformQuantizer

METHOD = Method(
    name="quaternary",
    title="quaternary, row scale at the optimum",
    grid=QUATERNARY,
    granularity=ROW,
    make=lambda: UniformQuantizer(QUATERNARY, ROW, rms_optimal(QUATERNARY)),
)

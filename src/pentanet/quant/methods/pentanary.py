"""Five levels with one scale per row at the Gaussian optimum, 0.843 rms."""

from pentanet.grid import PENTANARY
from pentanet.quant.granularity import ROW
from pentanet.quant.method import Method
from pentanet.quant.scales import rms_optimal
from pentanet.quant.uniform import UniformQuantizer

METHOD = Method(
    name="pentanary",
    title="pentanary, row scale at the optimum",
    grid=PENTANARY,
    granularity=ROW,
    make=lambda: UniformQuantizer(PENTANARY, ROW, rms_optimal(PENTANARY)),
)

"""Seven levels with one scale per row at the Gaussian optimum, 0.651 rms."""

from pentanet.grid import SEPTENARY
from pentanet.quant.granularity import ROW
from pentanet.quant.method import Method
from pentanet.quant.scales import rms_optimal
from pentanet.quant.uniform import UniformQuantizer

METHOD = Method(
    name="septenary",
    title="septenary, row scale at the optimum",
    grid=SEPTENARY,
    granularity=ROW,
    make=lambda: UniformQuantizer(SEPTENARY, ROW, rms_optimal(SEPTENARY)),
)

"""Five levels with one scale per tensor at the Gaussian optimum: the published granularity, the rule of `pentanary`."""

from pentanet.grid import PENTANARY
from pentanet.quant.granularity import TENSOR
from pentanet.quant.method import Method
from pentanet.quant.scales import rms_optimal
from pentanet.quant.uniform import UniformQuantizer

METHOD = Method(
    name="pentanary-tensor-optimum",
    title="pentanary, tensor scale at the optimum",
    grid=PENTANARY,
    granularity=TENSOR,
    make=lambda: UniformQuantizer(PENTANARY, TENSOR, rms_optimal(PENTANARY)),
)

"""Three levels with one scale per tensor at the Gaussian optimum: the published granularity, the rule of `ternary`."""

from pentanet.grid import TERNARY
from pentanet.quant.granularity import TENSOR
from pentanet.quant.method import Method
from pentanet.quant.scales import rms_optimal
from pentanet.quant.uniform import UniformQuantizer

METHOD = Method(
    name="ternary-tensor-optimum",
    title="ternary, tensor scale at the optimum",
    grid=TERNARY,
    granularity=TENSOR,
    make=lambda: UniformQuantizer(TERNARY, TENSOR, rms_optimal(TERNARY)),
)

"""`hgf` without the gate: the control that says whether the gate or the extra float weights help."""

from pentanet.grid import TERNARY
from pentanet.quant.granularity import TENSOR
from pentanet.quant.method import Method
from pentanet.quant.scales import absmean
from pentanet.quant.uniform import UniformQuantizer

METHOD = Method(
    name="hgf-ungated",
    title="ternary, tensor absmean, low-rank path",
    grid=TERNARY,
    granularity=TENSOR,
    make=lambda: UniformQuantizer(TERNARY, TENSOR, absmean(floor=1e-5)),
    activations="int8",
    low_rank="plain",
)

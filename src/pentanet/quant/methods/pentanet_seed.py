"""Five levels as published: one absmean scale per tensor, identity gradient.

Source: train_pentagpt.py of Kyworn/PentaNet-v1.0, class QuantLinear with clamp 2.
"""

from pentanet.grid import PENTANARY
from pentanet.quant.granularity import TENSOR
from pentanet.quant.method import Method
from pentanet.quant.scales import absmean
from pentanet.quant.uniform import UniformQuantizer

METHOD = Method(
    name="pentanet-seed",
    title="pentanary, tensor absmean (as published)",
    grid=PENTANARY,
    granularity=TENSOR,
    make=lambda: UniformQuantizer(PENTANARY, TENSOR, absmean()),
)

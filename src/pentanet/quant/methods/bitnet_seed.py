"""Ternary as the published PentaNet comparison had it: one absmean scale per tensor, identity gradient.

The publication calls it BitNet; the official BitNet b1.58 also quantizes activations and norms every input.
Source: train_pentagpt.py of Kyworn/PentaNet-v1.0, class QuantLinear with clamp 1.
"""

from pentanet.grid import TERNARY
from pentanet.quant.granularity import TENSOR
from pentanet.quant.method import Method
from pentanet.quant.scales import absmean
from pentanet.quant.uniform import UniformQuantizer

METHOD = Method(
    name="bitnet-seed",
    title="ternary, tensor absmean (the publication's BitNet)",
    grid=TERNARY,
    granularity=TENSOR,
    make=lambda: UniformQuantizer(TERNARY, TENSOR, absmean()),
)

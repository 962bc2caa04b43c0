"""The two methods of the published PentaNet comparison: one absmean scale per tensor, identity gradient.

The publication calls the ternary one BitNet; the official BitNet b1.58 also quantizes activations and norms every
input.  Source: train_pentagpt.py of Kyworn/PentaNet-v1.0, class QuantLinear with clamp 1 and clamp 2.

`bitnet-seed-rescaled` has the levels of `bitnet-seed`, worth so much more that the weights keep their size: a control.
"""

from pentanet.grid import PENTANARY, TERNARY
from pentanet.quant.granularity import TENSOR
from pentanet.quant.method import Method
from pentanet.quant.scales import absmean
from pentanet.quant.uniform import RescaledQuantizer

METHODS = (
    Method(
        name="bitnet-seed",
        title="ternary, tensor absmean (the publication's BitNet)",
        paper="2402.17764",
        grid=TERNARY,
        granularity=TENSOR,
        scale=absmean(),
    ),
    Method(
        name="pentanet-seed",
        title="pentanary, tensor absmean (as published)",
        grid=PENTANARY,
        granularity=TENSOR,
        scale=absmean(),
    ),
    Method(
        name="bitnet-seed-rescaled",
        title="ternary, tensor absmean, rescaled to the variance of the latent weights",
        grid=TERNARY,
        granularity=TENSOR,
        scale=absmean(),
        build=RescaledQuantizer.of,
    ),
)

"""Hybrid Gated Flow (2602.05269): BitNet b1.58 with a gated float path of low rank beside each linear.

Without its differential attention.  What the paper does not print is our reading: see `pentanet.nn.low_rank`.
`hgf-ungated` is the control that says whether the gate or the extra float weights help.
"""

from pentanet.grid import TERNARY
from pentanet.quant.granularity import TENSOR
from pentanet.quant.method import Method
from pentanet.quant.scales import absmean

METHODS = (
    Method(
        name="hgf",
        title="ternary, tensor absmean, gated low-rank path (HGF)",
        paper="2602.05269",
        grid=TERNARY,
        granularity=TENSOR,
        scale=absmean(floor=1e-5),
        activations="int8",
        low_rank="gated",
    ),
    Method(
        name="hgf-ungated",
        title="ternary, tensor absmean, low-rank path",
        paper="2602.05269",
        grid=TERNARY,
        granularity=TENSOR,
        scale=absmean(floor=1e-5),
        activations="int8",
        low_rank="plain",
    ),
)

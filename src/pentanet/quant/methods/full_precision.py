"""No grid: the linears stay bfloat16, the control that every low-bit method is measured against.

Autocast rounds weights to bfloat16 before each product, so storing them in bfloat16 loses nothing.
"""

import torch

from pentanet.quant.method import Method
from pentanet.quant.uniform import Cast

METHOD = Method(
    name="full-precision",
    title="full precision (bfloat16)",
    grid=None,
    granularity=None,
    make=lambda: Cast(torch.bfloat16),
)

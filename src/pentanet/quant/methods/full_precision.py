"""No grid: the linears stay bfloat16, the control that every low-bit method is measured against.

Autocast rounds weights to bfloat16 before each product, so storing them in bfloat16 loses nothing.

The shrunk one is a control too.  Absmean ternary keeps 0.44 of the variance of Gaussian weights; where it beats full
precision, the shrunk arm says whether the smaller weights did it or the rounding.
"""

import math

import torch

from pentanet.grid import GAUSSIAN_ABSMEAN, TERNARY
from pentanet.quant.method import Method
from pentanet.quant.uniform import Cast

SHRUNK = math.sqrt(TERNARY.gaussian(GAUSSIAN_ABSMEAN).variance)

METHODS = (
    Method(
        name="full-precision",
        title="full precision (bfloat16)",
        grid=None,
        granularity=None,
        build=lambda _: Cast(torch.bfloat16),
    ),
    Method(
        name="full-precision-shrunk",
        title="full precision, weights times 0.66",
        grid=None,
        granularity=None,
        build=lambda _: Cast(torch.bfloat16, factor=SHRUNK),
    ),
)

"""Full precision whose forward weights are as much smaller as absmean ternary makes them: a control, not a method.

Absmean ternary keeps 0.44 of the variance of Gaussian weights.  Where it beats full precision, this arm says whether
the smaller weights did it or the rounding.
"""

import math

import torch

from pentanet.grid import TERNARY
from pentanet.quant.method import Method
from pentanet.quant.uniform import Cast

ABSMEAN = math.sqrt(2 / math.pi)  # of unit Gaussian weights

METHOD = Method(
    name="full-precision-shrunk",
    title="full precision, weights times 0.66",
    grid=None,
    granularity=None,
    make=lambda: Cast(torch.bfloat16, factor=math.sqrt(TERNARY.gaussian(ABSMEAN).variance)),
)

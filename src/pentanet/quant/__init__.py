"""Latent weight -> levels and scales: one file per method behind one small interface.

from pentanet.quant import quantizer
q = quantizer("pentanary")
w_used = q.fake(weight, progress=0.5)   # what the forward pass multiplies by
codes = q.export(weight)                # int8 levels and float32 scales, for packing
"""

from pentanet.quant.base import Quantizer
from pentanet.quant.granularity import ROW, TENSOR, Granularity, group
from pentanet.quant.method import Method
from pentanet.quant.registry import METHODS, method, quantizer
from pentanet.quant.uniform import UniformQuantizer

__all__ = [
    "METHODS",
    "ROW",
    "TENSOR",
    "Granularity",
    "Method",
    "Quantizer",
    "UniformQuantizer",
    "group",
    "method",
    "quantizer",
]

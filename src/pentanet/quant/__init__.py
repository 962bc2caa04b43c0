"""Weights with few levels, and how to train them: the idea, once, from the top.

A matrix W [rows, cols] has two forms.  The *latent* weight is float32; the optimizer moves it, and no model keeps it.
The *stored* weight is `scale * level`, with `level` from a handful of whole numbers, -2..2 say, and one float32 scale
for the matrix, for each row, or for each group of inputs.  A method says how the first becomes the second:

    grid         which levels there are                                  pentanet.grid
    granularity  how many weights share a scale                          pentanet.quant.granularity
    scale rule   what the scale is: a multiple of mean|w| or of the rms  pentanet.quant.scales
    gradient     what the latent weight learns                           pentanet.quant.gradients

Rounding is then division and the nearest level:

    level = nearest level to W / scale             used = scale * level

The forward pass multiplies by `used`, so that the loss is that of the model which will be stored.  But `used` is a
staircase of W: its derivative is zero nearly everywhere, and nothing would be learned.  So the backward pass steps over
the rounding and hands the gradient of `used` to W as it is (the straight-through estimator, 1308.3432).  Small updates
add up in W until a weight crosses a threshold, and its level changes.  A gradient rule may drop some of them: those of
weights beyond the last level (which no small step brings back), or of weights that rounding moved far.

A `Quantizer` does this for one matrix, with three promises:

    fake(W, progress)   what the forward pass multiplies by, with that gradient
    export(W)           what the file stores: int8 levels and float32 scales (`Codes`)
    fake == export      bit for bit, at the end of the training and in validation at any time

The third is the point of the design: no step of packing can cost what the validation loss has not seen.  It is why
`fake` computes `scale * level` as the reader of the file does, and not the usual `W + (used - W).detach()`, which
rounds once more.  `progress` is the share of the training that is done; methods that start soft (a residual, a
temperature, a late start) follow it, and are hard when it is 1.

A `Method` is the record of the four choices, and `UniformQuantizer` is all that most papers need.  A method with an
idea of its own (steps that are trained, dead weights that act as a bias, rotated inputs) names a class beside them:

from pentanet.quant import quantizer
q = quantizer("pentanary")
q.initialize(weight)                    # state that starts from the weights, where a method has any
w_used = q.fake(weight, progress=0.5)   # what the forward pass multiplies by
codes = q.export(weight)                # int8 levels and float32 scales, for packing

To read on: `optimum` and `lsq` in `quant/methods`, `UniformQuantizer`, then `pentanet.nn.modules.QuantLinear`, which
holds the latent weight and its quantizer.  docs/methods.md says what each method is for, and how to add one.
"""

from pentanet.quant.base import Quantizer
from pentanet.quant.granularity import ROW, TENSOR, Granularity, group, group_near
from pentanet.quant.method import Method
from pentanet.quant.registry import METHODS, method, quantizer, register
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
    "group_near",
    "method",
    "quantizer",
    "register",
]

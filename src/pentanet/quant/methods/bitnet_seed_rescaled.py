"""`bitnet-seed` whose levels are worth so much more that the weights keep their size: a control, not a method."""

from pentanet.grid import TERNARY
from pentanet.quant.granularity import TENSOR
from pentanet.quant.method import Method
from pentanet.quant.scales import absmean
from pentanet.quant.uniform import RescaledQuantizer

METHOD = Method(
    name="bitnet-seed-rescaled",
    title="ternary, tensor absmean, rescaled to the variance of the latent weights",
    grid=TERNARY,
    granularity=TENSOR,
    make=lambda: RescaledQuantizer(TERNARY, TENSOR, absmean()),
)

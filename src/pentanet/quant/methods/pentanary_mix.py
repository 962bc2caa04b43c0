"""`pentanary` with a normalized residual that ends at 60 % of the training."""

from pentanet.grid import PENTANARY
from pentanet.quant.granularity import ROW
from pentanet.quant.method import Method
from pentanet.quant.residual import ResidualQuantizer, early_cosine
from pentanet.quant.scales import rms_optimal
from pentanet.quant.uniform import UniformQuantizer

METHOD = Method(
    name="pentanary-mix",
    title="pentanary, row scale at the optimum, normalized residual",
    grid=PENTANARY,
    granularity=ROW,
    make=lambda: ResidualQuantizer(
        UniformQuantizer(PENTANARY, ROW, rms_optimal(PENTANARY)), early_cosine, normalized=True
    ),
)

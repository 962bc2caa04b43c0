"""`pentanary` with a normalized residual that ends at 60 % of the training.  Ours, after Arenas (see `sherry`)."""

from pentanet.grid import PENTANARY
from pentanet.quant.granularity import ROW
from pentanet.quant.method import Method
from pentanet.quant.residual import ResidualQuantizer, early_cosine
from pentanet.quant.scales import rms_optimal
from pentanet.quant.uniform import UniformQuantizer

METHODS = (
    Method(
        name="pentanary-mix",
        title="pentanary, row scale at the optimum, normalized residual",
        grid=PENTANARY,
        granularity=ROW,
        scale=rms_optimal(PENTANARY),
        build=lambda method: ResidualQuantizer(UniformQuantizer.of(method), early_cosine, normalized=True),
    ),
)

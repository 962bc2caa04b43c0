"""Five levels with one absmean scale per row: between the published rule and the row optimum of `pentanary`."""

from pentanet.grid import PENTANARY
from pentanet.quant.granularity import ROW
from pentanet.quant.method import Method
from pentanet.quant.scales import absmean
from pentanet.quant.uniform import UniformQuantizer

METHOD = Method(
    name="pentanary-row-absmean",
    title="pentanary, row absmean",
    grid=PENTANARY,
    granularity=ROW,
    make=lambda: UniformQuantizer(PENTANARY, ROW, absmean()),
)

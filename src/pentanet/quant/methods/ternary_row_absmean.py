"""Three levels with one absmean scale per row: between the published rule and the row optimum of `ternary`."""

from pentanet.grid import TERNARY
from pentanet.quant.granularity import ROW
from pentanet.quant.method import Method
from pentanet.quant.scales import absmean
from pentanet.quant.uniform import UniformQuantizer

METHOD = Method(
    name="ternary-row-absmean",
    title="ternary, row absmean",
    grid=TERNARY,
    granularity=ROW,
    make=lambda: UniformQuantizer(TERNARY, ROW, absmean()),
)

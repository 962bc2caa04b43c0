"""Two levels with one absmean scale per row, which is the least-squares scale of a sign (XNOR-Net, 1603.05279)."""

from pentanet.grid import BINARY
from pentanet.quant.granularity import ROW
from pentanet.quant.method import Method
from pentanet.quant.scales import absmean
from pentanet.quant.uniform import UniformQuantizer

METHOD = Method(
    name="binary",
    title="binary, row absmean",
    grid=BINARY,
    granularity=ROW,
    make=lambda: UniformQuantizer(BINARY, ROW, absmean()),
)

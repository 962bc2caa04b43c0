"""Sixteen levels, -8 to 7, with one scale per row at the Gaussian optimum: the usual four bits, as a rival."""

from pentanet.grid import GRIDS
from pentanet.quant.granularity import ROW
from pentanet.quant.method import Method
from pentanet.quant.scales import rms_optimal
from pentanet.quant.uniform import UniformQuantizer

METHOD = Method(
    name="int4",
    title="int4, row scale at the optimum",
    grid=GRIDS["int4"],
    granularity=ROW,
    make=lambda: UniformQuantizer(GRIDS["int4"], ROW, rms_optimal(GRIDS["int4"])),
)

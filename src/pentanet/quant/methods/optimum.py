"""Each alphabet with one scale per row at its own optimum for Gaussian weights: what a fair comparison needs.

Absmean is 38 % above the least squared error for three levels and 1.2 % for five, so a comparison under absmean
measures the scale rule as much as the alphabet.  For two levels absmean is the optimum (XNOR-Net, 1603.05279); for the
others it is a multiple of the rms, 1.224 for three levels and 0.843 for five (QuEST, 2502.05003, extended).
"""

from pentanet.grid import BINARY, GRIDS, PENTANARY, QUATERNARY, SEPTENARY, TERNARY
from pentanet.quant.granularity import ROW
from pentanet.quant.method import Method
from pentanet.quant.scales import absmean, rms_optimal

METHODS = (
    Method(
        name="binary", title="binary, row absmean", paper="1603.05279", grid=BINARY, granularity=ROW, scale=absmean()
    ),
    *(
        Method(
            name=grid.name,
            title=f"{grid.name}, row scale at the optimum",
            grid=grid,
            granularity=ROW,
            scale=rms_optimal(grid),
        )
        for grid in (TERNARY, QUATERNARY, PENTANARY, SEPTENARY, GRIDS["int4"])
    ),
)

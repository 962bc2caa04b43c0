"""Between the published rule and `ternary` or `pentanary`: the scale rule and what shares a scale, one at a time.

Published: absmean, tensor.  Here: absmean, row; and the optimum, tensor.
"""

from pentanet.grid import PENTANARY, TERNARY
from pentanet.quant.granularity import ROW, TENSOR
from pentanet.quant.method import Method
from pentanet.quant.scales import absmean, rms_optimal

METHODS = tuple(
    method
    for grid in (TERNARY, PENTANARY)
    for method in (
        Method(
            name=f"{grid.name}-row-absmean",
            title=f"{grid.name}, row absmean",
            grid=grid,
            granularity=ROW,
            scale=absmean(),
        ),
        Method(
            name=f"{grid.name}-tensor-optimum",
            title=f"{grid.name}, tensor scale at the optimum",
            grid=grid,
            granularity=TENSOR,
            scale=rms_optimal(grid),
        ),
    )
)

"""Five levels with QuEST's step and gradient (2502.05003), without its Hadamard rotation.

The step is the Gaussian optimum of the row; the gradient of a weight is dropped where rounding moved it by more than
half a step.  `quest-hadamard-pentanary` has the rotation, which costs time in training and at run time; here it is left
out.  Source: IST-DASLab/QuEST.
"""

from pentanet.grid import PENTANARY
from pentanet.quant.granularity import ROW
from pentanet.quant.method import Method
from pentanet.quant.scales import rms_optimal
from pentanet.quant.uniform import UniformQuantizer

METHOD = Method(
    name="quest-pentanary",
    title="pentanary, row scale at the optimum, trust gradient (QuEST)",
    grid=PENTANARY,
    granularity=ROW,
    make=lambda: UniformQuantizer(PENTANARY, ROW, rms_optimal(PENTANARY), gradient="trust"),
)

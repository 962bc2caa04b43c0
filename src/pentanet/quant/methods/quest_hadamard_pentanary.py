"""Five levels as QuEST (2502.05003) trains them: of the rotated matrix, with its step and gradient.

`quest-pentanary` in blocks rotated by a Hadamard matrix, weights and inputs alike.  Source: IST-DASLab/QuEST.
"""

from pentanet.grid import PENTANARY
from pentanet.quant.granularity import ROW
from pentanet.quant.hadamard import RotatedQuantizer
from pentanet.quant.method import Method
from pentanet.quant.scales import rms_optimal

METHOD = Method(
    name="quest-hadamard-pentanary",
    title="pentanary, Hadamard, row scale at the optimum, trust gradient (QuEST)",
    grid=PENTANARY,
    granularity=ROW,
    make=lambda: RotatedQuantizer(PENTANARY, ROW, rms_optimal(PENTANARY), gradient="trust"),
    activations="hadamard",
)

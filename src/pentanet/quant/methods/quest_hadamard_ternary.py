"""Three levels as QuEST (2502.05003) trains them: of the rotated matrix, with its step and gradient.

`quest-ternary` in blocks rotated by a Hadamard matrix, weights and inputs alike.  Source: IST-DASLab/QuEST.
"""

from pentanet.grid import TERNARY
from pentanet.quant.granularity import ROW
from pentanet.quant.hadamard import RotatedQuantizer
from pentanet.quant.method import Method
from pentanet.quant.scales import rms_optimal

METHOD = Method(
    name="quest-hadamard-ternary",
    title="ternary, Hadamard, row scale at the optimum, trust gradient (QuEST)",
    grid=TERNARY,
    granularity=ROW,
    make=lambda: RotatedQuantizer(TERNARY, ROW, rms_optimal(TERNARY), gradient="trust"),
    activations="hadamard",
)

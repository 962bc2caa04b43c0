"""`pentanary` with rounding that starts soft and becomes hard (Hestia, 2601.20745).

Hestia also scales the temperature of each matrix by the trace of its Hessian, which needs a trained network and is left
out; its own ablation gives most of the gain to the annealing.
"""

from pentanet.grid import PENTANARY
from pentanet.quant.annealing import AnnealedQuantizer
from pentanet.quant.granularity import ROW
from pentanet.quant.method import Method
from pentanet.quant.scales import rms_optimal

METHOD = Method(
    name="hestia-pentanary",
    title="pentanary, row scale at the optimum, annealed rounding (Hestia)",
    grid=PENTANARY,
    granularity=ROW,
    make=lambda: AnnealedQuantizer(PENTANARY, ROW, rms_optimal(PENTANARY)),
)

"""Three levels with a learned step per row and the gradient of Stretched Elastic Quant (ParetoQ, 2502.02631).

Source: models/utils_quant.py of facebookresearch/ParetoQ.
"""

from pentanet.grid import TERNARY
from pentanet.quant.granularity import ROW
from pentanet.quant.method import Method
from pentanet.quant.uniform import StretchedStepQuantizer

METHOD = Method(
    name="paretoq-ternary",
    title="ternary, learned row step (ParetoQ)",
    grid=TERNARY,
    granularity=ROW,
    make=lambda: StretchedStepQuantizer(TERNARY, ROW),
)

"""Four levels with a learned step per row and the gradient of Stretched Elastic Quant (ParetoQ, 2502.02631).

Source: models/utils_quant.py of facebookresearch/ParetoQ.
"""

from pentanet.grid import QUATERNARY
from pentanet.quant.granularity import ROW
from pentanet.quant.method import Method
from pentanet.quant.uniform import StretchedStepQuantizer

METHOD = Method(
    name="paretoq-seq",
    title="quaternary, learned row step (ParetoQ)",
    grid=QUATERNARY,
    granularity=ROW,
    make=lambda: StretchedStepQuantizer(QUATERNARY, ROW),
)

"""Ternary with one scale per row at 4/3 mean|w| (Binary and Ternary Natural Language Generation, 2306.01841).

4/3 is what gives each level a third of uniform weights, the most entropy that three levels have.  Source:
quant/utils_quant.py of facebookresearch/Ternary_Binary_Transformer; the centring that the paper writes is not in it.
"""

from pentanet.grid import TERNARY
from pentanet.quant.granularity import ROW
from pentanet.quant.method import Method
from pentanet.quant.scales import absmean
from pentanet.quant.uniform import UniformQuantizer

METHOD = Method(
    name="tbt-ternary",
    title="ternary, row 4/3 absmean (TBT)",
    grid=TERNARY,
    granularity=ROW,
    make=lambda: UniformQuantizer(TERNARY, ROW, absmean(4 / 3)),
)

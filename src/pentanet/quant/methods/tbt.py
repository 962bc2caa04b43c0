"""Binary and Ternary Natural Language Generation (2306.01841): one absmean scale per row, times 4/3 for three levels.

4/3 is what gives each level a third of uniform weights, the most entropy that three levels have.  Without the elastic
activations that the paper trains it with (`weights.activations`), its binary rule is that of `binary`.  Source:
quant/utils_quant.py of facebookresearch/Ternary_Binary_Transformer; the centring that the paper writes is not in it.
"""

from pentanet.grid import BINARY, TERNARY
from pentanet.quant.granularity import ROW
from pentanet.quant.method import Method
from pentanet.quant.scales import absmean

METHODS = (
    Method(
        name="tbt-ternary",
        title="ternary, row 4/3 absmean (TBT)",
        paper="2306.01841",
        grid=TERNARY,
        granularity=ROW,
        scale=absmean(4 / 3),
    ),
    Method(
        name="tbt-binary",
        title="binary, row absmean (TBT)",
        paper="2306.01841",
        grid=BINARY,
        granularity=ROW,
        scale=absmean(),
    ),
)

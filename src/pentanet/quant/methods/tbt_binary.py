"""Binary with one scale per row at mean|w| (Binary and Ternary Natural Language Generation, 2306.01841).

Without the elastic activations that the paper trains it with (`weights.activations`), it is the rule of `binary`.
Source: quant/utils_quant.py of facebookresearch/Ternary_Binary_Transformer.
"""

from pentanet.grid import BINARY
from pentanet.quant.granularity import ROW
from pentanet.quant.method import Method
from pentanet.quant.scales import absmean
from pentanet.quant.uniform import UniformQuantizer

METHOD = Method(
    name="tbt-binary",
    title="binary, row absmean (TBT)",
    grid=BINARY,
    granularity=ROW,
    make=lambda: UniformQuantizer(BINARY, ROW, absmean()),
)

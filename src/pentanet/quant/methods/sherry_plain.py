"""3:4 sparse ternary without a residual: the control of `sherry`."""

from pentanet.grid import TERNARY
from pentanet.quant.method import Method
from pentanet.quant.sparse import BLOCK, GROUP, SparseTernaryQuantizer

METHOD = Method(
    name="sherry-plain",
    title="3:4 sparse ternary",
    grid=TERNARY,
    granularity=GROUP,
    make=SparseTernaryQuantizer,
    multiple=BLOCK,
)

"""3:4 sparse ternary with a residual that is normalized and ends at 60 % of the training: ours, beside `sherry`."""

from pentanet.grid import TERNARY
from pentanet.quant.method import Method
from pentanet.quant.residual import ResidualQuantizer, early_cosine
from pentanet.quant.sparse import BLOCK, GROUP, SparseTernaryQuantizer

METHOD = Method(
    name="sherry-mix",
    title="3:4 sparse ternary, normalized residual",
    grid=TERNARY,
    granularity=GROUP,
    make=lambda: ResidualQuantizer(SparseTernaryQuantizer(), early_cosine, normalized=True),
    multiple=BLOCK,
)

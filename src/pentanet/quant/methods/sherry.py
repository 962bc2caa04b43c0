"""3:4 sparse ternary with the residual of Arenas: Sherry as published (2601.07892)."""

from pentanet.grid import TERNARY
from pentanet.quant.method import Method
from pentanet.quant.residual import ResidualQuantizer, arenas
from pentanet.quant.sparse import BLOCK, GROUP, SparseTernaryQuantizer

METHOD = Method(
    name="sherry",
    title="3:4 sparse ternary, annealed residual (Sherry)",
    grid=TERNARY,
    granularity=GROUP,
    make=lambda: ResidualQuantizer(SparseTernaryQuantizer(), arenas),
    multiple=BLOCK,
)

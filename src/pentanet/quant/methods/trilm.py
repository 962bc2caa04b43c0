"""TriLM of the Spectra suite (2407.12327): ternary with one absmean scale per matrix, or per tensor-parallel shard.

Spectra trained its larger models on several devices, each of which took the mean of the rows it had, so that a
matrix has as many scales as there were devices: 2, 2, 3 and 6 from 1.1B up.  `shards` follows that for matrices that
were split by rows; o_proj and down_proj were split by inputs, which is not done here.  The registry's method has one
scale per matrix.  Source: the paper and the README of NolanoOrg/SpectraSuite.
"""

from torch import Tensor

from pentanet.errors import ConfigError
from pentanet.grid import TERNARY
from pentanet.quant.granularity import ROW, TENSOR
from pentanet.quant.method import Method
from pentanet.quant.scales import absmean
from pentanet.quant.uniform import UniformQuantizer

ADDED = 1e-5  # the paper's epsilon, which it does not name


class TriLMQuantizer(UniformQuantizer):
    """Scale = 1e-5 + mean|w| of the matrix, or of each of `shards` equal blocks of rows."""

    def __init__(self, shards: int = 1) -> None:
        super().__init__(TERNARY, TENSOR if shards == 1 else ROW, absmean(added=ADDED))
        self.shards = shards

    def scales(self, weight: Tensor) -> Tensor:
        if self.shards == 1:
            return super().scales(weight)
        rows, cols = weight.shape
        if rows % self.shards:
            raise ConfigError(
                f"{self.shards} shards do not divide a weight of {rows} x {cols}; choose a divisor of {rows}"
            )
        of_shards = self.scale(weight.reshape(self.shards, 1, -1))
        return of_shards.repeat_interleave(rows // self.shards, dim=0)


METHODS = (
    Method(
        name="trilm",
        title="ternary, tensor absmean (TriLM)",
        paper="2407.12327",
        grid=TERNARY,
        granularity=TENSOR,
        scale=absmean(added=ADDED),
        build=lambda _: TriLMQuantizer(),
    ),
)

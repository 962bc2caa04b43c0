"""QuEST (2502.05003): the Gaussian optimum of the row, and a gradient that drops what rounding moved too far.

A weight gets no gradient where rounding moved it by more than half a step ("trust").  QuEST rounds the rotated matrix:
`quest-hadamard-*` turn weights and inputs alike, in blocks, by a Hadamard matrix, which costs time in training and at
run time.  `quest-ternary` and `quest-pentanary` leave the rotation out.  No original runs on these grids: what the code
calls 1.585 bits has four levels.  Source: IST-DASLab/QuEST.
"""

from __future__ import annotations

import torch
from torch import Tensor

from pentanet.codes import Codes
from pentanet.grid import PENTANARY, TERNARY
from pentanet.quant.granularity import ROW
from pentanet.quant.hadamard import rotate
from pentanet.quant.method import Method
from pentanet.quant.scales import rms_optimal
from pentanet.quant.uniform import UniformQuantizer


class RotatedQuantizer(UniformQuantizer):
    """`UniformQuantizer` of W H: what the forward pass uses and the file holds is rotated, and so must be its inputs.

    `pentanet.nn.input_rounding` does that to them ("hadamard").  An embedding or a head under the method is rotated
    without them, which is the method without a rotation from other initial weights.
    """

    def latent(self, weight: Tensor) -> Tensor:
        return rotate(weight)

    def fake(self, weight: Tensor, progress: float) -> Tensor:
        return super().fake(rotate(weight), progress)

    @torch.no_grad()
    def export(self, weight: Tensor) -> Codes:
        return super().export(rotate(weight))


METHODS = (
    *(
        Method(
            name=f"quest-{grid.name}",
            title=f"{grid.name}, row scale at the optimum, trust gradient (QuEST)",
            paper="2502.05003",
            grid=grid,
            granularity=ROW,
            scale=rms_optimal(grid),
            gradient="trust",
        )
        for grid in (TERNARY, PENTANARY)
    ),
    *(
        Method(
            name=f"quest-hadamard-{grid.name}",
            title=f"{grid.name}, Hadamard, row scale at the optimum, trust gradient (QuEST)",
            paper="2502.05003",
            grid=grid,
            granularity=ROW,
            scale=rms_optimal(grid),
            gradient="trust",
            build=RotatedQuantizer.of,
            activations="hadamard",
        )
        for grid in (TERNARY, PENTANARY)
    ),
)

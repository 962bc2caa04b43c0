"""One matrix by a calibrated method."""

from __future__ import annotations

import torch
from torch import Tensor

from pentanet.codes import Codes
from pentanet.grid import Grid
from pentanet.ptq.calibrate import Moments
from pentanet.ptq.config import QuantizeConfig
from pentanet.ptq.gptq import damped, gptq
from pentanet.ptq.refine import output_error, refine
from pentanet.ptq.rtn import to_codes
from pentanet.ptq.scales import search_scales


@torch.no_grad()
def quantize_matrix(weight: Tensor, moments: Moments, grid: Grid, config: QuantizeConfig) -> tuple[Codes, float]:
    """Codes of a weight [r, c], and the share of its outputs' energy that the error takes: |(W - Q) x|^2 / |W x|^2.

    gptq: the weight itself is what the levels aim at.  refine: they aim at what makes up best for the errors before
    this matrix, and are improved afterwards.

    Raises:
        ConfigError: the groups do not divide a row.
    """
    hessian = damped(moments.hessian, config.damping)
    target = corrected(weight, moments, hessian) if config.method == "refine" else weight
    blocks = config.granularity.blocks(target)
    importance = hessian.diagonal().view(blocks.shape[1], -1)
    scales = search_scales(blocks, grid, importance)
    levels = gptq(target, scales, hessian, grid, act_order=config.act_order)
    if config.method == "refine":
        levels, scales = refine(target, levels, scales, hessian, grid)
    zeros, ones = torch.zeros_like(weight), torch.ones(len(weight), 1, 1)
    error, power = (float(output_error(weight, *found, hessian).sum()) for found in ((levels, scales), (zeros, ones)))
    return to_codes(levels, scales, grid), error / power if power else 0.0


def corrected(weight: Tensor, moments: Moments, hessian: Tensor) -> Tensor:
    """The weight that gives from the inputs of the quantized network what the original gave from its own.

    Least squares with the damping as its pull towards the weight: (W (C + lambda) + E) (H + lambda)^-1, with C and E
    the `cross` and `residual_error` moments.  Without E it is the asymmetric calibration of GPTAQ (2504.02692).

    Args:
        hessian: damped, H + lambda.
    """
    assert moments.cross is not None  # `refine` asks for it
    pull = hessian.diagonal() - moments.hessian.diagonal()
    wanted = weight @ moments.cross + weight * pull
    if moments.residual_error is not None:
        wanted += moments.residual_error
    return torch.linalg.solve(hessian, wanted.t()).t().contiguous()

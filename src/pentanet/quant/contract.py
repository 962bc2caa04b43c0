"""What every method owes: at the end of the training, and in validation at any time, it uses what it stores."""

from __future__ import annotations

import torch
from torch import Tensor

from pentanet.codes import Codes
from pentanet.errors import ConfigError
from pentanet.quant.method import Method

ROWS, COLS = 6, 384  # inputs that 3:4 sparsity, groups up to 128 and Hadamard blocks divide


def check(method: Method) -> None:
    """Round one random matrix and compare, bit for bit.

    Raises:
        ConfigError: the forward pass used another weight, or another bias, than the file would hold; or the file would
            hold another grid or shape of scales than the record of the method says.
    """
    weight = torch.randn(ROWS, COLS, generator=torch.Generator().manual_seed(0))
    quantizer = method.make()
    quantizer.initialize(weight)
    exported = quantizer.export(weight)
    if isinstance(exported, Codes) != (method.grid is not None):
        raise ConfigError(f"method '{method.name}': `export` gives levels exactly where the method has a grid")
    stored = torch.from_numpy(exported.dequantize() if isinstance(exported, Codes) else exported)
    bias = exported.bias if isinstance(exported, Codes) else None
    if isinstance(exported, Codes):
        _check_record(method, exported)
    for training, progress in ((True, 1.0), (False, 0.4)):
        when = "at the end of the training" if training else "in validation"
        used = quantizer.train(training).fake(weight, progress).detach()
        if not _same_bits(used, stored):
            raise ConfigError(f"method '{method.name}': {when} `fake` differs from what `export` stores")
        added = quantizer.bias(weight, used)
        if (added is None) != (bias is None) or (
            added is not None and bias is not None and not _same_bits(added.detach(), torch.from_numpy(bias))
        ):
            raise ConfigError(f"method '{method.name}': {when} `bias` differs from what `export` stores")


def _check_record(method: Method, codes: Codes) -> None:
    if codes.grid != method.grid:
        raise ConfigError(f"method '{method.name}': `export` stores the grid {codes.grid.name}, not that of the method")
    expected = None if method.granularity is None else method.granularity.scale_shape(ROWS, COLS)
    if codes.scales.shape != expected:
        raise ConfigError(
            f"method '{method.name}': `export` stores scales {codes.scales.shape}, its granularity says {expected}"
        )


def _same_bits(a: Tensor, b: Tensor) -> bool:
    return a.shape == b.shape and a.dtype == b.dtype and torch.equal(a.view(torch.int32), b.view(torch.int32))

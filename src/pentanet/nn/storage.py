"""How embeddings and heads are stored, and therefore trained.

Whatever the packed file holds, the forward pass of training and evaluation uses: nothing is lost on the way to it.
"""

from __future__ import annotations

from typing import Literal, get_args

import torch

from pentanet.errors import UnknownNameError
from pentanet.grid import GRIDS
from pentanet.quant import ROW, Quantizer, UniformQuantizer, quantizer
from pentanet.quant.scales import absmax
from pentanet.quant.uniform import Cast

Storage = Literal["int8", "bfloat16", "float32", "grid"]
STORAGES: tuple[str, ...] = get_args(Storage)


def storage_quantizer(storage: str, method: str) -> Quantizer:
    """The quantizer of an embedding or a head.

    Args:
        storage: "int8" with one absmax scale per row; "bfloat16" or "float32" without a grid; "grid" for the same
            method as the linears.
        method: registry name, used by "grid".

    Raises:
        UnknownNameError: no such storage or method.
    """
    match storage:
        case "int8":
            return UniformQuantizer(GRIDS["int8"], ROW, absmax(GRIDS["int8"]))
        case "bfloat16":
            return Cast(torch.bfloat16)
        case "float32":
            return Cast(torch.float32)
        case "grid":
            return quantizer(method)
        case _:
            raise UnknownNameError("storage", storage, STORAGES)

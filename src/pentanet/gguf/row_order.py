"""The order of the rows of query and key projections, where llama.cpp rotates neighbours of a head.

Hugging Face rotates i and i + E/2 of a head of width E together, llama.cpp's `llama` 2i and 2i + 1.
"""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from pentanet.codes import Codes


def gguf_order(rows: int, heads: int) -> NDArray[np.intp]:
    """Row of ours at each row of llama.cpp's: of a head, i and i + E/2 become neighbours."""
    return np.arange(rows).reshape(heads, 2, rows // heads // 2).swapaxes(1, 2).reshape(-1)


def hub_order(rows: int, heads: int) -> NDArray[np.intp]:
    """Row of llama.cpp's at each row of ours: the inverse of `gguf_order`."""
    return np.arange(rows).reshape(heads, rows // heads // 2, 2).swapaxes(1, 2).reshape(-1)


def permute(codes: Codes, order: NDArray[np.intp]) -> Codes:
    """The rows of a matrix in another order, with what belongs to them."""
    scales = codes.scales if len(codes.scales) == 1 and len(order) > 1 else codes.scales[order]
    return Codes(codes.levels[order], scales, codes.grid, None if codes.bias is None else codes.bias[order])

"""Eight 7-bit codes in seven bytes.

Code i of eight stands at bits 7i of a little-endian 56-bit word.  Both directions move bits inside 64-bit words in
three halving steps, so that numpy needs no loop over the eight.
"""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

# (bits that stay, bits that move, distance) to spread 28+28 -> 14+14 -> 7+7 bits to 32, 16 and 8-bit fields.
_STEPS = (
    (0x000000000FFFFFFF, 0x00FFFFFFF0000000, 4),
    (0x00003FFF00003FFF, 0x0FFFC0000FFFC000, 2),
    (0x007F007F007F007F, 0x3F803F803F803F80, 1),
)


def squeeze(codes: NDArray[np.uint8]) -> NDArray[np.uint8]:
    """Codes below 128, a multiple of 8 of them, to 7/8 as many bytes.  Flat in, flat out."""
    words = codes.reshape(-1).view("<u8").copy()
    for stay, move, distance in reversed(_STEPS):
        words = (words & np.uint64(stay)) | ((words >> np.uint64(distance)) & np.uint64(move))
    return np.ascontiguousarray(words.view(np.uint8).reshape(-1, 8)[:, :7]).reshape(-1)


def spread(packed: NDArray[np.uint8]) -> NDArray[np.uint8]:
    """Inverse of `squeeze`: a multiple of 7 bytes to codes below 128.  Flat in, flat out."""
    wide = np.zeros((packed.size // 7, 8), np.uint8)
    wide[:, :7] = packed.reshape(-1, 7)
    words = wide.reshape(-1).view("<u8")
    for stay, move, distance in _STEPS:
        words = (words & np.uint64(stay)) | ((words & np.uint64(move)) << np.uint64(distance))
    return words.view(np.uint8)

"""Sparse ternary levels in 1.25 bits: four inputs with exactly one zero are one of 4 x 2^3 = 32 patterns, 5 bits.

The 3:4 sparsity is that of Sherry (arXiv 2601.07892).  A group is 128 inputs, 32 codes to a row.  A row of a tile has
five 32-bit words, a column of five 64-byte vectors: a vector look-up of 32 entries takes a code where it lies.
"""

from __future__ import annotations

from functools import cache
from itertools import product

import numpy as np
from numpy.typing import NDArray

from pentanet.errors import UnpackableError
from pentanet.format.codec import TILE_ROWS, Place
from pentanet.grid import Grid

BLOCK = 4
CODES = 32  # to a row of a group
WORDS = 5
_IN_WORD = 6  # codes of 5 bits in a word; two bits are left
_NO_CODE = 0xFF


@cache
def patterns() -> NDArray[np.int8]:
    """Levels [32, 4] of each code: 8 z + s, where input z is zero and bit k of s says that the k-th other one is +1."""
    table = np.zeros((CODES, BLOCK), np.int8)
    for zero, third, second, first in product(range(BLOCK), (0, 1), (0, 1), (0, 1)):
        signs = [2 * bit - 1 for bit in (first, second, third)]
        table[8 * zero + 4 * third + 2 * second + first] = [*signs[:zero], 0, *signs[zero:]]
    return table


@cache
def _codes() -> bytes:
    """Code of each block, by its digits as 2-bit fields; 0xFF for what is no pattern."""
    table = bytearray([_NO_CODE] * 256)
    for code, pattern in enumerate(patterns().tolist()):
        table[sum(level + 1 << 2 * place for place, level in enumerate(pattern))] = code
    return bytes(table)


def is_sparse(levels: NDArray[np.int8]) -> bool:
    """Whether each four consecutive inputs of each row hold exactly one zero."""
    if levels.shape[1] % BLOCK:
        return False
    return bool((np.count_nonzero(levels.reshape(-1, BLOCK), axis=1) == BLOCK - 1).all())


class SparseCoder:
    """A group of 16 rows x 32 blocks: see `pentanet.format.codec.GroupCoder`."""

    inputs = BLOCK * CODES
    nbytes = 4 * TILE_ROWS * WORDS
    block = BLOCK

    def padding(self, grid: Grid) -> tuple[int, ...]:
        return tuple(patterns()[0].tolist())

    def draw(self, generator: np.random.Generator, grid: Grid, rows: int, cols: int) -> NDArray[np.int8]:
        return patterns()[generator.integers(CODES, size=(rows, cols // BLOCK))].reshape(rows, cols)

    def pack(self, digits: NDArray[np.uint8], grid: Grid, at: Place) -> NDArray[np.uint8]:
        blocks = digits.reshape(len(digits), -1, BLOCK)
        fields = blocks[:, :, 0].copy()
        for place in range(1, BLOCK):
            fields |= blocks[:, :, place] << np.uint8(2 * place)
        codes = np.frombuffer(fields.tobytes().translate(_codes()), np.uint8).reshape(fields.shape)
        if codes.max() == _NO_CODE:
            row, block = np.argwhere(codes == _NO_CODE)[0]
            levels = " ".join(str(digit - 1) for digit in blocks[row, block].tolist())
            raise UnpackableError(
                f"tensor '{at.tensor}': row {at.row + row}, inputs {BLOCK * block}..{BLOCK * block + 3} are {levels}, "
                f"but '{at.layout}' takes four inputs with exactly one zero. Use ternary-5in8."
            )
        codes = codes.reshape(-1, TILE_ROWS, digits.shape[1] // self.inputs, CODES).astype("<u4")
        words = np.zeros((*codes.shape[:3], WORDS), "<u4")
        spare = codes[..., 30] << np.uint32(5) | codes[..., 31]
        for word in range(WORDS):
            for place in range(_IN_WORD):
                words[..., word] |= codes[..., _IN_WORD * word + place] << np.uint32(5 * place)
            words[..., word] |= (spare >> np.uint32(8 - 2 * word) & np.uint32(3)) << np.uint32(30)
        return np.ascontiguousarray(words.transpose(0, 2, 3, 1)).reshape(-1).view(np.uint8)

    def unpack(self, stream: NDArray[np.uint8], groups: int, grid: Grid, at: Place) -> NDArray[np.int8]:
        words = np.ascontiguousarray(stream).view("<u4").reshape(-1, groups, WORDS, TILE_ROWS).transpose(0, 3, 1, 2)
        codes = np.empty((*words.shape[:3], CODES), np.uint8)
        spare = np.zeros(words.shape[:3], np.uint32)
        for word in range(WORDS):
            for place in range(_IN_WORD):
                codes[..., _IN_WORD * word + place] = words[..., word] >> np.uint32(5 * place) & np.uint32(31)
            spare = spare << np.uint32(2) | words[..., word] >> np.uint32(30)
        codes[..., 30], codes[..., 31] = spare >> np.uint32(5), spare & np.uint32(31)
        four_levels = patterns().view(np.uint32).reshape(-1)
        return four_levels[codes].view(np.int8).reshape(-1, groups * self.inputs)

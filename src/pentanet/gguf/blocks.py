"""Levels as blocks of llama.cpp and back, bit for bit: the block's float16 scale times a small integer.

The layouts are those of the structs in ggml-common.h.  A block is a row of bytes; the scale is one float16 in it, and
what a block multiplies by is `float32(scale) * level`, the same product as `Codes.dequantize`.

Q3_K has 16 sub-scales of 6 bits in a block, made for levels that are not whole multiples of one scale.  All of them are
33 here, which means 1: so a block has 8 levels, -4 to 3, of one scale, and the five of pentanary among them.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from types import MappingProxyType

import numpy as np
from numpy.typing import NDArray

from pentanet.errors import FormatError

Levels = NDArray[np.int8]
Bytes = NDArray[np.uint8]

_Q3_K_SCALES = np.array([0x11] * 8 + [0xAA] * 4, np.uint8)  # 16 times 33 = 0b100001: low nibbles, then high pairs


@dataclass(frozen=True, kw_only=True, slots=True)
class BlockType:
    """A quantization of llama.cpp that holds one integer per weight and one float16 scale per block.

    Attributes:
        name: in gguf.GGMLQuantizationType.
        weights: of a block.
        nbytes: of a block.
        lowest: smallest level that it holds.
        highest: largest level that it holds.
        scale: where the float16 stands.
    """

    name: str
    weights: int
    nbytes: int
    lowest: int
    highest: int
    scale: int
    _encode: Callable[[Levels], Bytes]
    _decode: Callable[[Bytes], Levels]

    def encode(self, levels: Levels, scales: NDArray[np.float16]) -> Bytes:
        """Blocks [rows, bytes per row] of levels [rows, cols] and one scale per block [rows, cols / weights]."""
        rows, cols = levels.shape
        assert cols % self.weights == 0 and scales.shape == (rows, cols // self.weights)
        assert levels.min() >= self.lowest and levels.max() <= self.highest
        blocks = self._encode(levels.reshape(-1, self.weights))
        blocks[:, self.scale : self.scale + 2] = scales.astype("<f2").reshape(-1, 1).view(np.uint8)
        return blocks.reshape(rows, -1)

    def decode(self, blocks: Bytes, where: str) -> tuple[Levels, NDArray[np.float32]]:
        """Levels [rows, cols] and scales [rows, cols / weights] of blocks [rows, bytes per row].

        Raises:
            FormatError: bytes that `encode` does not write: sub-scales, or digits that no levels make.
        """
        rows = len(blocks)
        blocks = blocks.reshape(-1, self.nbytes)
        levels = self._decode(blocks)
        scales = np.ascontiguousarray(blocks[:, self.scale : self.scale + 2]).view("<f2").astype(np.float32)
        kept = blocks.copy()
        again = self._encode(levels)
        kept[:, self.scale : self.scale + 2] = again[:, self.scale : self.scale + 2] = 0
        if not np.array_equal(kept, again) or levels.max(initial=self.lowest) > self.highest:
            raise FormatError(f"{where}: {self.name} blocks that are not one scale times whole levels; not imported")
        return levels.reshape(rows, -1), scales.reshape(rows, -1)


def _encode_q8_0(levels: Levels) -> Bytes:
    return np.concatenate([np.zeros((len(levels), 2), np.uint8), levels.view(np.uint8)], axis=1)


def _decode_q8_0(blocks: Bytes) -> Levels:
    return np.ascontiguousarray(blocks[:, 2:]).view(np.int8)


def _encode_q4_0(levels: Levels) -> Bytes:
    digits = (levels + np.int8(8)).view(np.uint8)
    return np.concatenate(
        [np.zeros((len(levels), 2), np.uint8), digits[:, :16] | digits[:, 16:] << np.uint8(4)], axis=1
    )


def _decode_q4_0(blocks: Bytes) -> Levels:
    packed = blocks[:, 2:]
    return np.concatenate([packed & 15, packed >> 4], axis=1).view(np.int8) - np.int8(8)


def _encode_q3_k(levels: Levels) -> Bytes:
    """Byte l of half h holds inputs 128 h + 32 j + l, j = 0..3; the third bits stand in 32 bytes of their own."""
    digits = (levels + 4).view(np.uint8).reshape(-1, 2, 4, 32)
    low, high = digits & 3, digits >> 2
    places = np.arange(4, dtype=np.uint8)[:, None]
    quants = np.bitwise_or.reduce(low << (2 * places), axis=2).reshape(-1, 64)
    halves = np.bitwise_or.reduce(high << places, axis=2)
    mask = halves[:, 0] | halves[:, 1] << 4
    scales = np.broadcast_to(_Q3_K_SCALES, (len(levels), 12))
    return np.concatenate([mask, quants, scales, np.zeros((len(levels), 2), np.uint8)], axis=1)


def _decode_q3_k(blocks: Bytes) -> Levels:
    places = np.arange(4, dtype=np.uint8)[:, None]
    low = blocks[:, 32:96].reshape(-1, 2, 1, 32) >> (2 * places) & 3
    halves = np.stack([blocks[:, :32] & 15, blocks[:, :32] >> 4], axis=1)
    high = halves[:, :, None] >> places & 1
    return (low | high << 2).reshape(-1, 256).view(np.int8) - np.int8(4)


def _encode_tq2_0(levels: Levels) -> Bytes:
    digits = (levels + 1).view(np.uint8).reshape(-1, 2, 4, 32)
    places = 2 * np.arange(4, dtype=np.uint8)[:, None]
    packed = np.bitwise_or.reduce(digits << places, axis=2).reshape(-1, 64)
    return np.concatenate([packed, np.zeros((len(levels), 2), np.uint8)], axis=1)


def _decode_tq2_0(blocks: Bytes) -> Levels:
    places = 2 * np.arange(4, dtype=np.uint8)[:, None]
    return (blocks[:, :64].reshape(-1, 2, 1, 32) >> places & 3).reshape(-1, 256).view(np.int8) - np.int8(1)


_TQ1_0_PARTS = ((32, 5), (16, 5), (4, 4))  # bytes, digits in each; the digits of a byte lie that many inputs apart


def _encode_tq1_0(levels: Levels) -> Bytes:
    """A byte is a fraction of 3^5 digits, highest first, rounded up to 256ths: v * 256 / 243."""
    digits = (levels + 1).view(np.uint8).astype(np.uint16)
    parts: list[Bytes] = []
    start = 0
    for size, count in _TQ1_0_PARTS:
        part = digits[:, start : start + size * count].reshape(-1, count, size)
        powers = 3 ** np.arange(4, 4 - count, -1, dtype=np.uint16)[:, None]
        value = (part * powers).sum(axis=1, dtype=np.uint16)
        parts.append(((value * 256 + 242) // 243).astype(np.uint8))
        start += size * count
    return np.concatenate([*parts, np.zeros((len(levels), 2), np.uint8)], axis=1)


def _decode_tq1_0(blocks: Bytes) -> Levels:
    found: list[Bytes] = []
    start = 0
    for size, count in _TQ1_0_PARTS:
        powers = 3 ** np.arange(count, dtype=np.uint16)[:, None]
        rest = blocks[:, None, start : start + size] * powers & 255
        found.append((rest * 3 >> 8).astype(np.uint8).reshape(len(blocks), -1))
        start += size
    return np.concatenate(found, axis=1).view(np.int8) - np.int8(1)


def _type(name: str, weights: int, nbytes: int, levels: tuple[int, int], scale: int) -> BlockType:
    encode, decode = _CODERS[name]
    return BlockType(
        name=name,
        weights=weights,
        nbytes=nbytes,
        lowest=levels[0],
        highest=levels[1],
        scale=scale,
        _encode=encode,
        _decode=decode,
    )


_CODERS: Mapping[str, tuple[Callable[[Levels], Bytes], Callable[[Bytes], Levels]]] = {
    "TQ1_0": (_encode_tq1_0, _decode_tq1_0),
    "TQ2_0": (_encode_tq2_0, _decode_tq2_0),
    "Q3_K": (_encode_q3_k, _decode_q3_k),
    "Q4_0": (_encode_q4_0, _decode_q4_0),
    "Q8_0": (_encode_q8_0, _decode_q8_0),
}

BLOCKS: Mapping[str, BlockType] = MappingProxyType(
    {
        made.name: made
        for made in (
            _type("TQ1_0", 256, 54, (-1, 1), 52),
            _type("TQ2_0", 256, 66, (-1, 1), 64),
            _type("Q3_K", 256, 110, (-4, 3), 108),
            _type("Q4_0", 32, 18, (-8, 7), 0),
            _type("Q8_0", 32, 34, (-128, 127), 0),
        )
    }
)
"""By name, the smallest first."""

"""Our blocks are those of the gguf package, which reads files as llama.cpp does."""

from __future__ import annotations

import numpy as np
import pytest

from pentanet.errors import FormatError
from pentanet.gguf.blocks import BLOCKS

gguf = pytest.importorskip("gguf")


def drawn(name: str, rows: int = 3) -> tuple[np.ndarray, np.ndarray]:
    block = BLOCKS[name]
    random = np.random.default_rng(0)
    levels = random.integers(block.lowest, block.highest, (rows, 512), np.int8, endpoint=True)
    return levels, random.uniform(1e-3, 2, (rows, 512 // block.weights)).astype(np.float16)


@pytest.mark.parametrize("name", BLOCKS)
def test_blocks_mean_the_same_to_gguf(name):
    levels, scales = drawn(name)
    blocks = BLOCKS[name].encode(levels, scales)
    kind = gguf.GGMLQuantizationType[name]
    assert gguf.GGML_QUANT_SIZES[kind] == (BLOCKS[name].weights, BLOCKS[name].nbytes)
    expected = levels.astype(np.float32) * scales.astype(np.float32).repeat(BLOCKS[name].weights, 1)
    np.testing.assert_array_equal(gguf.quants.dequantize(blocks, kind), expected)


@pytest.mark.parametrize("name", ["TQ1_0", "TQ2_0"])
def test_ternary_blocks_are_byte_for_byte_those_of_gguf(name):
    levels, _ = drawn(name)
    ones = np.ones((3, 2), np.float16)  # what it finds itself
    expected = gguf.quants.quantize(levels.astype(np.float32), gguf.GGMLQuantizationType[name])
    np.testing.assert_array_equal(BLOCKS[name].encode(levels, ones), expected)


@pytest.mark.parametrize("name", BLOCKS)
def test_decoding_gives_back_levels_and_scales(name):
    levels, scales = drawn(name)
    found, found_scales = BLOCKS[name].decode(BLOCKS[name].encode(levels, scales), "x")
    np.testing.assert_array_equal(found, levels)
    np.testing.assert_array_equal(found_scales, scales.astype(np.float32))


@pytest.mark.parametrize(("name", "place", "value"), [("Q3_K", 97, 0x12), ("TQ2_0", 5, 0b1101), ("TQ1_0", 0, 1)])
def test_blocks_that_no_levels_make_are_refused(name, place, value):
    levels, scales = drawn(name)
    blocks = BLOCKS[name].encode(levels, scales)
    blocks[1, place] = value
    with pytest.raises(FormatError, match=f"up: {name}"):
        BLOCKS[name].decode(blocks, "up")

"""Synthetic GGUF files of a Llama shape: random blocks of a type of llama.cpp, which its kernels take for a model."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from types import MappingProxyType

import numpy as np
from numpy.typing import NDArray

from pentanet.families import family_of
from pentanet.families.tensor_table import tensor_table
from pentanet.gguf import package
from pentanet.speed.settings import Shape

_SCALE = 0.001  # of a block: small enough for finite activations


@dataclass(frozen=True, slots=True)
class BlockType:
    """A quantization of llama.cpp: weights and bytes of a block, and where its float16 scales stand in it.

    From the structs in ggml-common.h; all other bytes may be anything.
    """

    weights: int
    nbytes: int
    scales: tuple[int, ...]


BLOCKS: Mapping[str, BlockType] = MappingProxyType(
    {
        "Q2_K": BlockType(256, 84, (80, 82)),
        "Q4_0": BlockType(32, 18, (0,)),
        "TQ2_0": BlockType(256, 66, (64,)),
        "TQ1_0": BlockType(256, 54, (52,)),
        "Q6_K": BlockType(256, 210, (208,)),
        "Q8_0": BlockType(32, 34, (0,)),
    }
)
BODY = ("Q2_K", "Q4_0", "TQ2_0", "TQ1_0")


def why_not(kind: str, shape: Shape) -> str | None:
    """Why a shape cannot be stored in a type, or None."""
    block = BLOCKS[kind].weights
    for inputs in (shape.network.width, shape.network.hidden):
        if inputs % block:
            return f"rows of {inputs} inputs do not divide into blocks of {block}"
    return None


def write(shape: Shape, kind: str, path: Path) -> None:
    """Write a model whose matrices are of type `kind`; embedding and head are Q6_K, or Q8_0 where that does not fit.

    Those are what llama.cpp itself takes for them, so the file is no larger than a stock one of this type.

    Raises:
        MissingExtraError: the package gguf is not installed.
    """
    gguf = package.load("llama", "measuring llama.cpp")
    network, names = shape.network, family_of(shape.network).gguf
    assert names is not None  # Llama's
    writer = gguf.GGUFWriter(str(path), names.architecture(network))
    names.describe(writer, network, shape.vocab, gguf)
    writer.add_tokenizer_model("no_vocab")
    outer = "Q8_0" if network.width % BLOCKS["Q6_K"].weights else "Q6_K"
    drawn: dict[tuple[str, tuple[int, ...]], NDArray[np.uint8]] = {}  # tensors of one shape share their blocks
    for name, entry in tensor_table(network, shape.vocab).items():
        if entry.plain:
            writer.add_tensor(names.theirs(name), np.ones(entry.shape, np.float32))
            continue
        stored = kind if entry.linear else outer
        key = (stored, entry.shape)
        if key not in drawn:
            drawn[key] = _random(stored, *entry.shape)
        writer.add_tensor(names.theirs(name), drawn[key], raw_dtype=gguf.GGMLQuantizationType[stored])
    package.write(writer)


def _random(kind: str, rows: int, cols: int) -> NDArray[np.uint8]:
    """Blocks of a matrix, uint8 [rows, bytes per row]."""
    block = BLOCKS[kind]
    count = rows * cols // block.weights
    some = np.random.default_rng(0).integers(0, 256, (min(count, 1 << 14), block.nbytes), np.uint8)
    for place in block.scales:
        some[:, place : place + 2] = np.frombuffer(np.float16(_SCALE).tobytes(), np.uint8)
    return np.resize(some, (count, block.nbytes)).reshape(rows, -1)

"""How a GGUF file says that rotary positions are stretched, as the `rope_scaling` of config.json.

Linear stretching is metadata. Llama 3's is a tensor of what each frequency is divided by [E / 2], for a head of width
E; the numbers that it was made of are not in the file. They are found again here, and must give the same factors.
"""

from __future__ import annotations

import math
from collections.abc import Iterator, Mapping
from dataclasses import asdict
from typing import Any

import numpy as np
from numpy.typing import NDArray

from pentanet.errors import ConfigError, UnsupportedArchitectureError
from pentanet.families.rope import Llama3Rope, PlainRope, rotary_table

FACTORS = "rope_freqs.weight"
# The converter makes its factors in float32: its exponents of the base are off by up to 1e-6, and what it derives of
# them by ten times as much.
TOLERANCE = 2e-5
_CONTEXTS = (8192, *(1 << power for power in range(5, 21)))  # of published models first
Factors = NDArray[np.floating[Any]]


def factors_of(rope: Llama3Rope, head_width: int, theta: float) -> NDArray[np.float32]:
    """What llama.cpp divides each rotary frequency by [E / 2]."""

    def angle(kind: PlainRope | Llama3Rope) -> NDArray[np.float32]:
        cosines, sines = rotary_table(2, head_width, theta, kind)
        return np.arctan2(sines[1], cosines[1])  # below one turn of pi: the first is 1 radian

    return (angle(PlainRope()) / angle(rope)).astype(np.float32)


def read_rope(
    fields: Mapping[str, Any], constants: Mapping[str, Factors], head_width: int, theta: float, where: str
) -> dict[str, Any]:
    """The key `rope_scaling` of config.json, or nothing where positions are as they are.

    Args:
        fields: metadata of the file.
        constants: tensors of the file that are none of the network.
        head_width: E.
        theta: base of the frequencies.
        where: the file, for messages.

    Raises:
        UnsupportedArchitectureError: stretched in a way that is not read.
    """
    arch = fields["general.architecture"]
    rotated = fields.get(f"{arch}.rope.dimension_count", head_width)
    if rotated != head_width:
        raise UnsupportedArchitectureError(
            f"{where}: {arch}.rope.dimension_count is {rotated!r:.40}, but heads are {head_width} wide: networks that "
            "rotate a part of each head are not read"
        )
    kind = fields.get(f"{arch}.rope.scaling.type", "none")
    factor = fields.get(f"{arch}.rope.scaling.factor", fields.get(f"{arch}.rope.scale_linear", 1.0))
    if kind not in ("none", "linear"):
        raise UnsupportedArchitectureError(f"{where}: rotary positions of the kind {kind!r:.40} are not read from GGUF")
    linear = kind == "linear" or f"{arch}.rope.scale_linear" in fields
    if linear and not (isinstance(factor, float | int) and 0 < factor < math.inf):
        raise UnsupportedArchitectureError(f"{where}: rotary positions are stretched by {factor!r:.40}")
    stretched = linear and factor != 1
    if FACTORS not in constants or np.array_equal(constants[FACTORS], np.ones_like(constants[FACTORS])):
        return {"rope_scaling": {"rope_type": "linear", "factor": float(factor)}} if stretched else {}
    found = None if stretched else _llama3(constants[FACTORS].astype(np.float64).reshape(-1), head_width, theta)
    if found is None:
        raise UnsupportedArchitectureError(
            f"{where}: tensor '{FACTORS}' stretches rotary positions in a way that is not Llama 3's. Quantize the "
            "Hugging Face directory of the model instead."
        )
    return {"rope_scaling": asdict(found)}


def _llama3(factors: Factors, head_width: int, theta: float) -> Llama3Rope | None:
    """The numbers that give these factors; None where there are none."""
    if factors.shape != (head_width // 2,) or not np.isfinite(factors).all() or factors.min() < 1 - TOLERANCE:
        return None
    for rope in _candidates(factors, head_width, theta):
        if np.allclose(factors_of(rope, head_width, theta), factors, rtol=TOLERANCE, atol=0):
            return rope
    return None


def _candidates(factors: Factors, head_width: int, theta: float) -> Iterator[Llama3Rope]:
    # Twice the context with twice both bounds is the same: the low one is 1, as in all published models.
    factor = round(float(factors.max()), 4)
    for context in _CONTEXTS:
        yield Llama3Rope(factor=factor, original_max_position_embeddings=context)
    between = (factors > 1 + TOLERANCE) & (factors < factor * (1 - TOLERANCE))
    if not between.any():
        return
    frequency = (theta ** (-np.arange(0, head_width, 2, dtype=np.float64) / head_width))[between]
    kept = (1 / factors[between] - 1 / factor) / (1 - 1 / factor)
    # kept = (frequency * context / 2 pi - low) / (high - low), with low = 1.
    yield from _with_low_1(factor, 3.0, float(np.median((3 * kept + 1) / frequency)))
    if between.sum() > 1:
        slope, offset = (float(n) for n in np.polyfit(frequency, kept, 1))
        if offset < 0:
            yield from _with_low_1(factor, -1 / offset, -slope / offset)


def _with_low_1(factor: float, width: float, context_over_turn: float) -> Iterator[Llama3Rope]:
    try:
        yield Llama3Rope(
            factor=factor,
            high_freq_factor=round(1 + width, 3),
            original_max_position_embeddings=round(2 * math.pi * context_over_turn),
        )
    except ConfigError:
        return

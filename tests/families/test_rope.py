"""Rotary tables against their formulas, one frequency at a time."""

from __future__ import annotations

import math
from typing import Any

import numpy as np
import pytest

from pentanet.errors import ConfigError
from pentanet.families.rope import LinearRope, Llama3Rope, PlainRope, Rope, YarnRope, rotary_table

CONTEXT, THETA = 50, 10_000.0


def linear(frequency: float, rope: LinearRope) -> float:
    return frequency / rope.factor


def llama3(frequency: float, rope: Llama3Rope) -> float:
    wave, original = 2 * math.pi / frequency, rope.original_max_position_embeddings
    if wave < original / rope.high_freq_factor:
        return frequency
    if wave > original / rope.low_freq_factor:
        return frequency / rope.factor
    smooth = (original / wave - rope.low_freq_factor) / (rope.high_freq_factor - rope.low_freq_factor)
    return (1 - smooth) * frequency / rope.factor + smooth * frequency


def yarn(frequency: float, rope: YarnRope, pair: int, width: int) -> float:
    def place(turns: float) -> float:
        ratio = rope.original_max_position_embeddings / (2 * math.pi * turns)
        return width * math.log(ratio) / (2 * math.log(THETA))

    low, high = max(math.floor(place(rope.beta_fast)), 0), min(math.ceil(place(rope.beta_slow)), width - 1)
    divided = min(max((pair - low) / (high - low), 0.0), 1.0)
    return frequency / rope.factor * divided + frequency * (1 - divided)


ROPES: list[tuple[Rope, float]] = [  # and the size of cosines and sines
    (PlainRope(), 1.0),
    (LinearRope(factor=3.0), 1.0),
    (Llama3Rope(factor=8.0, original_max_position_embeddings=300), 1.0),
    (Llama3Rope(factor=4.0, low_freq_factor=2.0, high_freq_factor=9.0, original_max_position_embeddings=900), 1.0),
    (YarnRope(factor=4.0, original_max_position_embeddings=700), 0.1 * math.log(4.0) + 1),
    (YarnRope(factor=0.5, original_max_position_embeddings=700), 1.0),
    (YarnRope(beta_fast=9.0, beta_slow=0.5, attention_factor=1.25, original_max_position_embeddings=400), 1.25),
]


@pytest.mark.parametrize(("rope", "size"), ROPES, ids=str)
@pytest.mark.parametrize("width", [32, 6])
def test_angles_by_hand(rope: Rope, size: float, width: int) -> None:
    cos, sin = rotary_table(CONTEXT, width, THETA, rope)
    assert cos.shape == sin.shape == (CONTEXT, width // 2)
    for pair in range(width // 2):
        frequency = THETA ** (-2 * pair / width)
        match rope:
            case PlainRope():
                pass
            case LinearRope():
                frequency = linear(frequency, rope)
            case Llama3Rope():
                frequency = llama3(frequency, rope)
            case YarnRope():
                frequency = yarn(frequency, rope, pair, width)
        for position in (0, 1, CONTEXT - 1):
            assert cos[position, pair].item() == pytest.approx(size * math.cos(position * frequency), abs=1e-6)
            assert sin[position, pair].item() == pytest.approx(size * math.sin(position * frequency), abs=1e-6)


def test_a_table_that_is_made_in_pieces() -> None:
    cos, sin = rotary_table(5000, 6, THETA, PlainRope())
    for position in (4095, 4096, 4999):
        assert cos[position, 1] == pytest.approx(math.cos(position * THETA ** (-1 / 3)), abs=1e-6)
        assert sin[position, 1] == pytest.approx(math.sin(position * THETA ** (-1 / 3)), abs=1e-6)


@pytest.mark.parametrize(("rope", "size"), ROPES[2:], ids=str)
def test_the_examples_reach_every_case(rope: Rope, size: float) -> None:
    """Of the frequencies above some are kept, some divided, and some lie between."""
    assert isinstance(rope, Llama3Rope | YarnRope)
    plain = np.arcsin(rotary_table(2, 32, THETA, PlainRope())[1][1].astype(np.float64))
    stretched = np.arcsin(rotary_table(2, 32, THETA, rope)[1][1] / size)
    ratio = (stretched / plain)[1:]
    low, high = sorted((1.0, 1 / rope.factor))
    assert np.isclose(ratio, 1.0, atol=1e-4).any()
    assert np.isclose(ratio, 1 / rope.factor, atol=1e-4).any()
    assert ((ratio > low * 1.05) & (ratio < high * 0.95)).any()


@pytest.mark.parametrize(
    ("kind", "settings", "message"),
    [
        (LinearRope, {"factor": 0.0}, "model.rope.factor = 0.0"),
        (LinearRope, {"factor": math.inf}, "model.rope.factor = inf"),
        (Llama3Rope, {"low_freq_factor": 4.0}, "high_freq_factor = 4.0: must be above low_freq_factor 4.0"),
        (Llama3Rope, {"original_max_position_embeddings": 0}, "original_max_position_embeddings = 0"),
        (YarnRope, {"factor": math.nan}, "model.rope.factor = nan"),
        (YarnRope, {"attention_factor": -1.0}, "model.rope.attention_factor = -1.0"),
        (YarnRope, {"beta_fast": 1.0}, "model.rope.beta_fast = 1.0: must be above beta_slow 1.0"),
    ],
    ids=str,
)
def test_values_that_make_no_sense(kind: Any, settings: dict[str, Any], message: str) -> None:
    with pytest.raises(ConfigError, match=message):
        kind(**settings)

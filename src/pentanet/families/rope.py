"""Rotary positions: one table of cosines and sines, which torch and the native engine share.

The ways to stretch it past the context of the training have the names and the keys that Hugging Face gives them.
E is the width of a head.
"""

from __future__ import annotations

import math
from dataclasses import dataclass, fields
from typing import Any, Literal

import numpy as np
from numpy.typing import NDArray

from pentanet.errors import ConfigError


@dataclass(frozen=True, kw_only=True, slots=True)
class PlainRope:
    """Angles as they are (RoFormer, 2104.09864)."""

    rope_type: Literal["default"] = "default"


@dataclass(frozen=True, kw_only=True, slots=True)
class LinearRope:
    """Positions divided by a factor (2306.15595)."""

    rope_type: Literal["linear"] = "linear"
    factor: float = 1.0
    """The context is this many times as long as that of the training."""

    def __post_init__(self) -> None:
        _require_positive(self)


@dataclass(frozen=True, kw_only=True, slots=True)
class Llama3Rope:
    """Long waves are divided, short ones kept (Llama 3.1 and later)."""

    rope_type: Literal["llama3"] = "llama3"
    factor: float = 8.0
    """Divides the frequencies of long waves."""
    low_freq_factor: float = 1.0
    """Waves longer than the original context over this are long."""
    high_freq_factor: float = 4.0
    """Waves shorter than the original context over this are kept; between the two it goes over smoothly."""
    original_max_position_embeddings: int = 8192
    """Context of the training."""

    def __post_init__(self) -> None:
        _require_positive(self)
        if self.high_freq_factor <= self.low_freq_factor:
            raise ConfigError(
                f"model.rope.high_freq_factor = {self.high_freq_factor}: must be above low_freq_factor "
                f"{self.low_freq_factor}"
            )


@dataclass(frozen=True, kw_only=True, slots=True)
class YarnRope:
    """Frequencies that turn seldom are divided, and the attention is sharpened (YaRN, 2309.00071; Qwen3)."""

    rope_type: Literal["yarn"] = "yarn"
    factor: float = 4.0
    """Divides the frequencies that turn seldom."""
    original_max_position_embeddings: int = 32768
    """Context of the training."""
    beta_fast: float = 32.0
    """Frequencies that turn more often than this over the original context are kept."""
    beta_slow: float = 1.0
    """Those that turn less often than this are divided; between the two it goes over linearly."""
    attention_factor: float = 0.0
    """Multiplies cosines and sines; 0 for 0.1 ln(factor) + 1."""

    def __post_init__(self) -> None:
        _require_positive(self, but="attention_factor")
        if not 0 <= self.attention_factor < math.inf:
            raise ConfigError(f"model.rope.attention_factor = {self.attention_factor}: must be 0 or more, and finite")
        if self.beta_fast <= self.beta_slow:
            raise ConfigError(f"model.rope.beta_fast = {self.beta_fast}: must be above beta_slow {self.beta_slow}")


Rope = PlainRope | LinearRope | Llama3Rope | YarnRope
_ROWS = 4096
Frequencies = NDArray[np.float64]


def _require_positive(rope: Any, but: str = "") -> None:
    for field in fields(rope):
        value = getattr(rope, field.name)
        if field.name not in ("rope_type", but) and not 0 < value < math.inf:
            raise ConfigError(f"model.rope.{field.name} = {value}: must be positive and finite")


def rotary_table(
    context: int, head_width: int, theta: float, rope: Rope
) -> tuple[NDArray[np.float32], NDArray[np.float32]]:
    """Cosines and sines [context, head_width / 2]: of position times theta^(-2i / E), stretched as `rope` says."""
    frequency = theta ** (-np.arange(0, head_width, 2, dtype=np.float64) / head_width)
    size = 1.0
    match rope:
        case PlainRope():
            pass
        case LinearRope():
            frequency = frequency / rope.factor
        case Llama3Rope():
            turns = frequency * rope.original_max_position_embeddings / (2 * math.pi)
            kept = (turns - rope.low_freq_factor) / (rope.high_freq_factor - rope.low_freq_factor)
            frequency = _between(frequency / rope.factor, frequency, kept)
        case YarnRope():
            frequency = _between(frequency / rope.factor, frequency, _yarn_share(rope, head_width, theta))
            size = rope.attention_factor or 0.1 * math.log(max(rope.factor, 1.0)) + 1.0
    cosines, sines = (np.empty((context, len(frequency)), np.float32) for _ in range(2))
    for start in range(0, context, _ROWS):  # so that nothing large is held in float64
        rows = slice(start, min(start + _ROWS, context))
        angle = np.outer(np.arange(rows.start, rows.stop, dtype=np.float64), frequency)
        cosines[rows], sines[rows] = np.cos(angle) * size, np.sin(angle) * size
    return cosines, sines


@dataclass(frozen=True, kw_only=True, slots=True)
class Rotary:
    """Rotary positions of heads.

    Attributes:
        width: numbers of a head that turn, the first ones.
        theta: base of the frequencies.
        rope: how they are stretched.
    """

    width: int
    theta: float
    rope: Rope

    def table(self, tokens: int) -> tuple[NDArray[np.float32], NDArray[np.float32]]:
        """Cosines and sines [tokens, width / 2] of the first positions."""
        return rotary_table(tokens, self.width, self.theta, self.rope)


def _between(low: Frequencies, high: Frequencies, share: Frequencies) -> Frequencies:
    """From low at a share of 0 or less to high at 1 or more."""
    share = share.clip(0, 1)
    return low * (1 - share) + high * share


def _yarn_share(rope: YarnRope, head_width: int, theta: float) -> Frequencies:
    """How much of each frequency [E / 2] is kept: 1 up to the pair that turns beta_fast times, 0 from beta_slow on."""

    def pair(turns: float) -> float:
        period = rope.original_max_position_embeddings / (turns * 2 * math.pi)
        return head_width * math.log(period) / (2 * math.log(theta))

    # The bounds are those of the published code, the upper one in pairs of E and not of E / 2 too.
    first = max(math.floor(pair(rope.beta_fast)), 0)
    last = min(math.ceil(pair(rope.beta_slow)), head_width - 1)
    ramp = (np.arange(head_width // 2, dtype=np.float64) - first) / max(last - first, 1e-3)
    return 1 - ramp.clip(0, 1)

"""Draw the next token from its logits, in numpy: the native engine writes text without torch's help."""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass, fields
from numbers import Integral, Real

import numpy as np
from numpy.typing import NDArray

from pentanet.errors import ConfigError

_KINDS = {"int": (Integral, "a whole number"), "float": (Real, "a number")}


@dataclass(frozen=True, kw_only=True, slots=True)
class Sampling:
    """How the next token is drawn.

    The penalty comes first, then the temperature, then top_k, top_p and min_p, each among what the last one left.

    Attributes:
        temperature: divides the logits; 0 takes the most likely token.
        top_k: keep the k most likely tokens; 0 keeps all.
        top_p: keep the smallest set of tokens with at least this probability (nucleus sampling, 1904.09751).
        min_p: keep tokens with at least this share of the probability of the most likely one (2407.01082); 0 keeps all.
        repetition_penalty: logits of tokens that the text has are divided by it where positive, else multiplied (CTRL,
            1909.05858); 1 leaves them.
        seed: of the draws; the same seed gives the same text.

    Raises:
        ConfigError: a value of another type, or outside of its range.
    """

    temperature: float = 0.8
    top_k: int = 40
    top_p: float = 1.0
    min_p: float = 0.0
    repetition_penalty: float = 1.0
    seed: int = 0

    def __post_init__(self) -> None:
        for field in fields(self):  # None would draw another text each time, or fail far from here
            value, (kind, words) = getattr(self, field.name), _KINDS[str(field.type)]
            if isinstance(value, bool) or not isinstance(value, kind):
                raise ConfigError(f"{field.name.replace('_', '-')} {value!r}: must be {words}")
        if not 0 <= self.seed < 1 << 64:
            raise ConfigError(f"seed {self.seed}: must be 0 or more, and below 2^64")
        if not 0 <= self.temperature < math.inf:
            raise ConfigError(f"temperature {self.temperature}: must be finite, and 0 or more")
        if self.top_k < 0:
            raise ConfigError(f"top-k {self.top_k}: must be 0 or more")
        if not 0 < self.top_p <= 1:
            raise ConfigError(f"top-p {self.top_p}: must lie in (0, 1]")
        if not 0 <= self.min_p <= 1:
            raise ConfigError(f"min-p {self.min_p}: must lie in [0, 1]")
        if not 0 < self.repetition_penalty < math.inf:
            raise ConfigError(f"repetition-penalty {self.repetition_penalty}: must be positive and finite")

    def generator(self) -> np.random.Generator:
        """A new source of draws."""
        return np.random.Generator(np.random.PCG64(self.seed))


def sample(
    logits: NDArray[np.float32], sampling: Sampling, generator: np.random.Generator, seen: Sequence[int] = ()
) -> int:
    """Draw a token.

    Args:
        logits: [vocab].
        sampling: how.
        generator: `sampling.generator()`; each draw takes one number from it, and greedy choices take none.
        seen: tokens of the text so far, for the penalty.
    """
    if sampling.repetition_penalty != 1 and len(seen):
        logits = _penalized(logits, np.unique(np.asarray(seen)), sampling.repetition_penalty)
    if sampling.temperature == 0:
        return int(logits.argmax())
    kept = _most_likely(logits, sampling.top_k)
    # Relative to the largest, so that no temperature, however small, makes two infinite ones of them.
    with np.errstate(over="ignore", invalid="ignore"):
        values = logits[kept].astype(np.float64) - np.float64(logits[kept[0]])
        shares = np.exp(values / sampling.temperature)
    shares /= shares.sum()
    # A token stays while the probability before it is below top_p: the most likely one always does. They come in
    # falling order, so those that stay are the first ones.
    stays = (np.cumsum(shares) - shares < sampling.top_p) & (shares >= sampling.min_p * shares[0]) & (shares > 0)
    sums = np.cumsum(shares[: np.count_nonzero(stays)])
    place = int(np.count_nonzero(sums <= generator.random() * sums[-1]))
    return int(kept[min(place, sums.size - 1)])


def _most_likely(logits: NDArray[np.float32], count: int) -> NDArray[np.intp]:
    """Tokens from the most likely one down, all or so many; equals in the order of their ids."""
    if not 0 < count < logits.size:
        return np.argsort(-logits, kind="stable")
    # The largest of each column: no fewer than `count` logits reach the count-th of them.
    rows = max(logits.size // (8 * count), 1)
    columns = logits[: logits.size // rows * rows].reshape(rows, -1).max(0)
    found = np.flatnonzero(logits >= np.partition(columns, columns.size - count)[columns.size - count])
    return found[np.argsort(-logits[found], kind="stable")][:count]


def _penalized(logits: NDArray[np.float32], seen: NDArray[np.int_], penalty: float) -> NDArray[np.float32]:
    logits = logits.copy()
    there = logits[seen]
    logits[seen] = np.where(there > 0, there / np.float32(penalty), there * np.float32(penalty))
    return logits

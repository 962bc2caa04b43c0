"""Draws of a token by hand."""

from __future__ import annotations

import math
from collections import Counter
from collections.abc import Sequence
from typing import Any

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from numpy.typing import NDArray

from pentanet.errors import ConfigError
from pentanet.runtime.sampling import Sampling, sample

LOGITS = np.log(np.array([0.1, 0.4, 0.2, 0.3], np.float32))
DRAWN = [3, 2, 2, 1, 1, 2, 1, 2, 2, 3, 1, 1]


def array(*values: float) -> NDArray[np.float32]:
    return np.array(values, np.float32)


def draws(
    sampling: Sampling, count: int = 1000, logits: NDArray[np.float32] = LOGITS, seen: Sequence[int] = ()
) -> dict[int, float]:
    generator = sampling.generator()
    found = Counter(sample(logits, sampling, generator, seen) for _ in range(count))
    return {token: times / count for token, times in sorted(found.items())}


def test_temperature_zero_and_top_one_take_the_most_likely() -> None:
    assert draws(Sampling(temperature=0), 50) == {1: 1.0}
    assert draws(Sampling(temperature=5.0, top_k=1), 50) == {1: 1.0}
    assert draws(Sampling(temperature=5.0, top_k=0, top_p=1e-9), 50) == {1: 1.0}
    ties = array(0.0, 2.0, 2.0, 1.0)
    assert draws(Sampling(temperature=0), 50, ties) == draws(Sampling(top_k=1), 50, ties) == {1: 1.0}


def test_plain_draws_follow_the_probabilities() -> None:
    shares = draws(Sampling(temperature=1.0, top_k=0))
    assert shares == pytest.approx({0: 0.1, 1: 0.4, 2: 0.2, 3: 0.3}, abs=0.06)


def test_temperature_sharpens() -> None:
    # At one half, probabilities are squared: 1 16 4 9 of 30.
    assert draws(Sampling(temperature=0.5, top_k=0)) == pytest.approx(
        {0: 1 / 30, 1: 16 / 30, 2: 4 / 30, 3: 9 / 30}, abs=0.06
    )


def test_top_k_keeps_the_k_most_likely() -> None:
    assert draws(Sampling(temperature=1.0, top_k=2)) == pytest.approx({1: 4 / 7, 3: 3 / 7}, abs=0.06)
    assert set(draws(Sampling(temperature=1.0, top_k=99))) == {0, 1, 2, 3}


def test_top_p_keeps_the_smallest_set_that_reaches_it() -> None:
    for top_p, kept in ((0.39, {1}), (0.41, {1, 3}), (0.69, {1, 3}), (0.71, {1, 2, 3}), (1.0, {0, 1, 2, 3})):
        assert set(draws(Sampling(temperature=1.0, top_k=0, top_p=top_p), 300)) == kept
    shares = draws(Sampling(temperature=1.0, top_k=0, top_p=0.5))
    assert shares == pytest.approx({1: 4 / 7, 3: 3 / 7}, abs=0.06)


def test_top_p_counts_after_top_k() -> None:
    # Of the two that top-k leaves, the first has 4/7 = 0.571.
    assert set(draws(Sampling(temperature=1.0, top_k=2, top_p=0.57), 300)) == {1}
    assert set(draws(Sampling(temperature=1.0, top_k=2, top_p=0.58), 300)) == {1, 3}


def test_min_p_keeps_a_share_of_the_most_likely() -> None:
    for min_p, kept in (
        (0.24, {0, 1, 2, 3}),
        (0.26, {1, 2, 3}),
        (0.49, {1, 2, 3}),
        (0.51, {1, 3}),
        (0.76, {1}),
        (1.0, {1}),
    ):
        assert set(draws(Sampling(temperature=1.0, top_k=0, min_p=min_p), 300)) == kept


def test_the_penalty_divides_what_is_positive_and_multiplies_what_is_negative() -> None:
    greedy = Sampling(temperature=0, repetition_penalty=2.0)
    assert draws(greedy, 5, array(3.0, 4.0, 1.0)) == {1: 1.0}
    assert draws(greedy, 5, array(3.0, 4.0, 1.0), seen=[1, 1, 1]) == {0: 1.0}
    assert draws(greedy, 5, array(1.4, 4.0, 1.0), seen=[1, 0]) == {1: 1.0}
    assert draws(greedy, 5, array(-3.0, -2.0, -5.0), seen=[1]) == {0: 1.0}
    logits = array(3.0, 4.0)
    draws(greedy, 5, logits, seen=[1])
    assert logits.tolist() == [3.0, 4.0]


@given(
    logits=st.lists(st.integers(0, 9), min_size=1, max_size=300),
    count=st.integers(1, 40),
)
def test_the_most_likely_are_those_of_a_whole_sort(logits: list[int], count: int) -> None:
    values = array(*logits)
    shares = draws(Sampling(temperature=1e6, top_k=count, seed=1), 400, values)
    whole = np.argsort(-values, kind="stable")[:count]
    assert set(shares) <= set(whole.tolist())
    assert draws(Sampling(temperature=1e6, top_k=1), 1, values) == {int(whole[0]): 1.0}


def test_the_draws_are_written_down() -> None:
    # The same seed must give the same text in every release of numpy that is allowed.
    sampling = Sampling(temperature=1.0, top_k=0, seed=7)
    generator = sampling.generator()
    assert [sample(LOGITS, sampling, generator) for _ in range(12)] == DRAWN


@pytest.mark.parametrize("temperature", [5e-324, 1e-30, 1e300])
def test_extreme_temperatures(temperature: float) -> None:
    drawn = draws(Sampling(temperature=temperature, top_k=0), 30, array(-3e38, 3e38, 1.0, -math.inf))
    assert set(drawn) == ({1} if temperature < 1 else {0, 1, 2})


@given(
    logits=st.lists(st.floats(-(2.0**120), 2.0**120, width=32), min_size=1, max_size=20),
    temperature=st.floats(0, 1e6),
    top_k=st.integers(0, 25),
    top_p=st.floats(1e-12, 1),
    min_p=st.floats(0, 1),
)
def test_whatever_is_asked_a_token_comes(
    logits: list[float], temperature: float, top_k: int, top_p: float, min_p: float
) -> None:
    sampling = Sampling(temperature=temperature, top_k=top_k, top_p=top_p, min_p=min_p)
    token = sample(array(*logits), sampling, sampling.generator())
    assert 0 <= token < len(logits)
    if temperature == 0 or top_k == 1:
        assert logits[token] == max(logits)


@pytest.mark.parametrize(
    ("settings", "message"),
    [
        ({"temperature": -0.1}, "temperature -0.1"),
        ({"temperature": math.nan}, "temperature nan"),
        ({"temperature": math.inf}, "temperature inf"),
        ({"top_k": -1}, "top-k -1"),
        ({"top_p": 0.0}, "top-p 0.0"),
        ({"top_p": 1.1}, "top-p 1.1"),
        ({"top_p": math.nan}, "top-p nan"),
        ({"min_p": 1.5}, "min-p 1.5"),
        ({"min_p": -0.5}, "min-p -0.5"),
        ({"repetition_penalty": 0.0}, "repetition-penalty 0.0"),
        ({"repetition_penalty": math.nan}, "repetition-penalty nan"),
        ({"seed": None}, "seed None: must be a whole number"),
        ({"seed": 1.0}, "seed 1.0: must be a whole number"),
        ({"seed": -1}, "seed -1: must be 0 or more"),
        ({"temperature": "0.7"}, "temperature '0.7': must be a number"),
        ({"top_k": True}, "top-k True: must be a whole number"),
    ],
)
def test_samplings_that_make_no_sense(settings: dict[str, Any], message: str) -> None:
    with pytest.raises(ConfigError, match=message):
        Sampling(**settings)

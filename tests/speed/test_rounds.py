import pytest

from pentanet.speed.rounds import Limits, against_limit


def test_fractions_are_taken_in_each_round():
    """The machine halves its speed for some rounds: the median rate falls, the fraction stays."""
    found = against_limit(8.0, seconds=[1, 2, 2], limits=[10, 5, 5])
    assert (found.value, found.fraction, found.spread) == (4.0, 0.8, 0.0)


def test_spread_is_of_the_middle_half():
    found = against_limit(1.0, seconds=[1, 1, 1, 1, 1], limits=[1, 1 / 2, 1 / 3, 1 / 4, 1 / 100])
    assert found.fraction == 3
    assert found.spread == pytest.approx((4 - 2) / 3)


def test_limits_are_medians_in_giga():
    limits = Limits()
    limits.read[1] = [1e9, 2e9, 9e9]
    limits.multiply[1] = [5e9]
    limits.read[2] = [3e9]
    assert limits.to_dict() == {"read_gbps": {"1": 2.0, "2": 3.0}, "int8_gops": {"1": 5.0}}

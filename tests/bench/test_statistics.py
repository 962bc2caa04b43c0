"""Statistics against values worked out by hand or published."""

from __future__ import annotations

import json
import math
import subprocess
import sys

import pytest
from hypothesis import given
from hypothesis import strategies as st

from pentanet.bench.statistics import compare, contrast, holm, mean, sample_sd, t_interval, with_holm

# The six published 124M runs: best validation loss of three and of five levels.
FIVE = {"42": 5.211154, "1337": 5.187328, "2026": 5.185575}
THREE = {"42": 5.268671, "1337": 5.235212, "2026": 5.277946}


def test_published_runs() -> None:
    found = t_interval([THREE[s] - FIVE[s] for s in FIVE])
    assert found is not None
    assert found.df == 2
    assert found.mean == pytest.approx(0.0659, abs=5e-5)
    assert found.t == pytest.approx(4.88, abs=0.01)
    assert found.p == pytest.approx(0.0396, abs=2e-4)
    assert (found.low, found.high) == pytest.approx((0.0078, 0.1241), abs=2e-4)


def test_published_perplexity_spread() -> None:
    perplexity = [183.305, 178.990, 178.676]
    assert mean(perplexity) == pytest.approx(180.32, abs=0.01)
    assert sample_sd(perplexity) == pytest.approx(2.59, abs=0.005)


def test_interval_by_hand() -> None:
    # 1, 2, 3: mean 2, sd 1, standard error 1/sqrt(3); the 97.5 % point of t with 2 degrees of freedom is 4.30265.
    found = t_interval([1.0, 2.0, 3.0])
    assert found is not None
    assert found.high - 2 == pytest.approx(4.30265 / math.sqrt(3), abs=1e-5)
    # With 2 degrees of freedom the t distribution has a closed form: p = 1 - t / sqrt(2 + t^2).
    assert found.p == pytest.approx(1 - found.t / math.sqrt(2 + found.t**2), abs=1e-12)


def test_two_values_by_hand() -> None:
    # One degree of freedom is the Cauchy distribution: p = 1 - 2/pi * atan(t), quantile tan(pi * 0.475).
    found = t_interval([1.0, 3.0])
    assert found is not None
    assert found.p == pytest.approx(1 - 2 / math.pi * math.atan(2.0), abs=1e-12)
    assert found.low == pytest.approx(2 - math.tan(math.pi * 0.475), rel=1e-9)


@pytest.mark.parametrize(("values", "t", "p"), [([0.0, 0.0], 0.0, 1.0), ([0.5, 0.5], math.inf, 0.0)])
def test_equal_values(values: list[float], t: float, p: float) -> None:
    found = t_interval(values)
    assert found is not None
    assert (found.t, found.p) == (t, p)
    assert found.low == found.high == values[0]


def test_verdicts() -> None:
    assert compare("five", "three", "val_loss", FIVE, THREE).verdict == "better"
    assert compare("three", "five", "val_loss", THREE, FIVE).verdict == "worse"
    assert compare("five", "three", "score", FIVE, THREE, lower_is_better=False).verdict == "worse"
    near = compare("a", "b", "val_loss", {"0": 1.0, "1": 1.1, "2": 0.9}, {"0": 1.02, "1": 1.0, "2": 0.95})
    assert near.verdict == "not distinguishable"
    assert near.low is not None
    assert near.high is not None
    assert near.low < 0 < near.high


def test_a_method_against_itself_is_not_distinguishable() -> None:
    found = compare("a", "a", "val_loss", FIVE, FIVE)
    assert (found.difference, found.p, found.verdict) == (0.0, 1.0, "not distinguishable")


def test_one_seed_has_a_difference_and_no_interval() -> None:
    found = compare("five", "three", "val_loss", {"42": 5.0}, THREE)
    assert found.n == 1
    assert found.difference == pytest.approx(5.0 - THREE["42"])
    assert (found.low, found.high, found.p) == (None, None, None)
    assert found.verdict == "one seed: no interval"


def test_no_common_seed() -> None:
    found = compare("five", "three", "val_loss", {"7": 5.0}, THREE)
    assert (found.n, found.difference, found.verdict) == (0, None, "no common seed")


def test_only_common_finite_seeds_count() -> None:
    found = compare("five", "three", "val_loss", FIVE | {"7": 1.0}, THREE | {"42": math.nan})
    assert found.n == 2
    assert json.loads(json.dumps(found.to_dict(), allow_nan=False))["n"] == 2


def test_holm_by_hand() -> None:
    # Sorted .01 .02 .03 .04 times 4 3 2 1 = .04 .06 .06 .04, then never below the one before.
    assert holm([0.04, 0.01, 0.03, 0.02]) == pytest.approx([0.06, 0.04, 0.06, 0.06])
    assert holm([0.7, 0.6]) == [1.0, 1.0]
    assert holm([]) == []


@given(st.lists(st.floats(0, 1), min_size=1, max_size=20))
def test_holm_lies_between_raw_and_bonferroni_and_keeps_order(p: list[float]) -> None:
    adjusted = holm(p)
    for raw, corrected in zip(p, adjusted, strict=True):
        assert raw <= corrected <= min(1.0, raw * len(p))
    order = sorted(range(len(p)), key=p.__getitem__)
    assert [adjusted[i] for i in order] == sorted(adjusted)


def test_with_holm_leaves_untested_ones_out_of_the_family() -> None:
    tested = compare("five", "three", "val_loss", FIVE, THREE)
    single = compare("other", "three", "val_loss", {"42": 5.0}, THREE)
    first, second, third = with_holm([tested, single, tested])
    assert tested.p is not None
    assert first.p_holm == third.p_holm == pytest.approx(2 * tested.p)
    assert second.p_holm is None
    assert first.verdict == tested.verdict


def test_scipy_is_loaded_only_when_asked() -> None:
    code = "import sys, pentanet.bench.statistics; sys.exit(any(m.startswith('scipy') for m in sys.modules))"
    assert subprocess.run([sys.executable, "-c", code], check=False).returncode == 0


def test_a_contrast_is_summed_within_each_seed() -> None:
    losses = {"a": {"0": 1.0, "1": 1.5, "2": 1.2}, "b": {"0": 2.0, "1": 2.6, "2": 2.1, "3": 9.0}, "c": {"0": 2.0}}
    found = contrast("x", "a is below b", {"a": 1, "b": -1}, losses)
    by_hand = t_interval([-1.0, -1.1, -0.9])
    assert by_hand is not None
    assert (found.n, found.estimate) == (3, pytest.approx(-1.0))
    assert (found.low, found.high, found.p) == pytest.approx((by_hand.low, by_hand.high, by_hand.p))
    assert found.verdict == "holds"
    assert contrast("x", "", {"b": 1, "a": -1}, losses).verdict == "does not hold"
    assert contrast("x", "", {"a": 1, "c": -1}, losses).verdict == "one seed: no interval"
    assert contrast("x", "", {"a": 1, "d": -1}, {**losses, "d": {"0": math.nan}}).verdict == "no common seed"

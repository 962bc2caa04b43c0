"""Learning rate and weight decay at their key steps."""

from __future__ import annotations

import math

import pytest
from hypothesis import given
from hypothesis import strategies as st

from pentanet.training.config import ScheduleConfig
from pentanet.training.presets import load_config
from pentanet.training.schedule import clock_rate, decay, rate


@pytest.mark.parametrize("preset", ["seed-124m", "seed-345m"])
def test_published_learning_rates(preset: str) -> None:
    config = load_config(preset)

    def lr(step: int) -> float:
        return config.optimizer.lr * rate(config.schedule, step, config.steps)

    def published(step: int) -> float:
        return 3e-5 + 0.5 * (1 + math.cos(math.pi * (step - 500) / 9500)) * (3e-4 - 3e-5)

    assert lr(0) == pytest.approx(6e-7)
    assert lr(499) == pytest.approx(3e-4)
    assert lr(1000) == pytest.approx(2.9816e-4, abs=5e-9)
    assert lr(9999) == pytest.approx(3e-5, abs=1e-10)
    assert [lr(step) for step in range(500, 10_000, 100)] == pytest.approx(
        [published(s) for s in range(500, 10_000, 100)]
    )
    assert sum(lr(step) for step in range(10_000)) == pytest.approx(1.643, abs=5e-4)


def test_warmup() -> None:
    config = ScheduleConfig(kind="warmdown", warmup=4)
    assert [rate(config, step, 100) for step in range(5)] == [0.25, 0.5, 0.75, 1.0, 1.0]
    assert rate(ScheduleConfig(warmup=0), 0, 100) == 1.0


def test_cosine() -> None:
    config = ScheduleConfig(kind="cosine", warmup=10, final=0.2)
    assert rate(config, 10, 110) == 1.0
    assert rate(config, 60, 110) == pytest.approx(0.6)
    assert rate(config, 35, 110) == pytest.approx(0.2 + 0.8 * (0.5 + math.sqrt(2) / 4))
    assert rate(config, 110, 110) == pytest.approx(0.2)


def test_warmdown() -> None:
    config = ScheduleConfig(kind="warmdown", warmup=10, warmdown=0.4, final=0.1)
    assert {rate(config, step, 100) for step in range(10, 61)} == {1.0}
    assert rate(config, 80, 100) == pytest.approx(0.55)
    assert rate(config, 99, 100) == pytest.approx(0.1 + 0.9 / 40)
    assert rate(config, 100, 100) == pytest.approx(0.1)
    assert rate(ScheduleConfig(warmup=0, warmdown=0.0), 99, 100) == 1.0


def test_two_stage() -> None:
    config = ScheduleConfig(kind="two-stage", warmup=0, drop_at=0.5, drop_to=0.667)
    assert rate(config, 0, 100) == 1.0
    assert rate(config, 49, 100) == pytest.approx(0.51)
    assert rate(config, 50, 100) == pytest.approx(0.667 * 0.5)
    assert rate(config, 75, 100) == pytest.approx(0.667 * 0.25)


def test_decay_stops_where_it_is_told_to() -> None:
    config = ScheduleConfig(decay_off=0.67)
    assert [decay(config, step, 100) for step in (0, 66, 67, 99)] == [1.0, 1.0, 0.0, 0.0]
    assert [decay(ScheduleConfig(decay_off=1.0), step, 100) for step in (0, 99)] == [1.0, 1.0]
    assert decay(ScheduleConfig(decay_off=0.0), 0, 100) == 0.0


@given(
    st.builds(
        ScheduleConfig,
        kind=st.sampled_from(["cosine", "warmdown", "two-stage"]),
        warmup=st.integers(0, 60),
        final=st.floats(0, 1),
        warmdown=st.floats(0, 1),
        drop_at=st.floats(0, 1),
        drop_to=st.floats(0, 1),
    ),
    st.integers(1, 50),
)
def test_the_rate_stays_between_nothing_and_the_peak(config: ScheduleConfig, steps: int) -> None:
    rates = [rate(config, step, steps) for step in range(steps)]
    assert all(0 <= r <= 1 + 1e-12 for r in rates)
    after = rates[config.warmup :]
    assert after == sorted(after, reverse=True)


def test_a_run_by_the_clock_warms_up_and_ends_at_zero() -> None:
    assert clock_rate(0.0, 0.01) == pytest.approx(0.2)  # the first of a hundred steps, of five that warm up
    assert clock_rate(0.04, 0.01) == pytest.approx(0.5 * (1 + math.cos(0.04 * math.pi)))
    assert clock_rate(0.5, 0.01) == pytest.approx(0.5)
    assert clock_rate(1.0, 0.01) == pytest.approx(0.0)

"""The cost of a method: rounds in turn, ratios within a round, and threads as they were."""

from __future__ import annotations

from collections.abc import Callable, Iterator

import pytest
import torch

from pentanet.bench import cost
from pentanet.errors import UnknownNameError
from pentanet.training.config import TrainConfig

Configure = Callable[..., TrainConfig]


def test_ratios_are_taken_within_a_round(configure: Configure, monkeypatch: pytest.MonkeyPatch) -> None:
    """A clock by hand: in the warm-up everything takes long; then ternary takes 1.5, 2 and 4 of what the base takes."""
    ticks: list[float] = [100.0, 100.0] * cost.WARM + [2.0, 3.0, 1.0, 2.0, 10.0, 40.0]

    def clock() -> Iterator[float]:
        now = 0.0
        for tick in ticks:
            yield now
            now += tick
            yield now

    read, threads, told = clock(), torch.get_num_threads(), list[int]()
    monkeypatch.setattr(cost.time, "process_time", lambda: next(read))
    rows = cost.cost(configure("llama", "model.layers=1"), ["ternary"], rounds=3, progress=told.append)
    assert next(read, None) is None
    assert [row["name"] for row in rows] == ["full-precision", "ternary"]
    assert [row["seconds"] for row in rows] == [2.0, 3.0]
    assert (rows[0]["ratio"], rows[0]["low"], rows[0]["high"]) == (1.0, 1.0, 1.0)
    assert (rows[1]["ratio"], rows[1]["low"], rows[1]["high"]) == (2.0, 1.75, 3.0)
    assert told == [0, 0, 1, 2, 3]
    assert torch.get_num_threads() == threads


def test_an_unknown_method_is_named(configure: Configure) -> None:
    threads = torch.get_num_threads()
    with pytest.raises(UnknownNameError, match="unknown method 'ternry'"):
        cost.cost(configure("llama"), ["ternry"], rounds=1)
    assert torch.get_num_threads() == threads

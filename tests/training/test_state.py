"""The state of a run, to a checkpoint and back."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import pytest
import torch

from pentanet.data.dataset import Dataset
from pentanet.training.checkpoint import CheckpointStore
from pentanet.training.config import TrainConfig
from pentanet.training.loop import Loop


def test_everything_comes_back(configure: Callable[..., TrainConfig], tiny: Dataset, tmp_path: Path) -> None:
    config = configure("gpt", "model.dropout=0.5", "eval_random_batches=1", "batch.windows=random")
    loop = Loop(config, tiny, tmp_path, pytest.fail)
    loop.network.train()
    for _ in range(2):
        loop._step()
    state = loop.state
    state.random_best = 1.25  # better than any since
    assert state.flips
    store = CheckpointStore(tmp_path / "store", 1, pytest.fail)
    store.save(state.checkpoint(77))
    expected = state.batches.next(), state.random_batches.next(), torch.rand(3), list(state.flips)  # type: ignore[union-attr]

    torch.manual_seed(99)
    other = Loop(config, tiny, tmp_path / "store", pytest.fail).state
    saved = store.newest()
    assert saved is not None
    assert other.restore(saved) == 77
    assert (other.step, other.flips, other.random_best) == (2, expected[3], 1.25)
    assert all(torch.equal(p, q) for p, q in zip(other.network.parameters(), state.network.parameters(), strict=True))
    assert other.optimizer.state().keys() == state.optimizer.state().keys()
    assert all(torch.equal(value, state.optimizer.state()[k]) for k, value in other.optimizer.state().items())
    for mine, theirs in zip(other.batches.next(), expected[0], strict=True):
        assert (mine == theirs).all()
    assert other.random_batches is not None
    for mine, theirs in zip(other.random_batches.next(), expected[1], strict=True):
        assert (mine == theirs).all()
    assert torch.equal(torch.rand(3), expected[2])

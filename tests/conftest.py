"""For every test: no deadlines, since a busy machine is no failure, and one thread, since cores are shared."""

from __future__ import annotations

import os
from collections.abc import Callable
from typing import Any

import numpy as np
import pytest
from hypothesis import settings

from pentanet.data.dataset import Dataset
from pentanet.data.prepare import prepare

pytest_plugins = ("checkpoints", "packed")  # in tests/fixtures

settings.register_profile("pentanet", deadline=None)
settings.load_profile("pentanet")
os.environ.setdefault("OMP_NUM_THREADS", "1")  # read when torch is imported, by processes that tests start too

TINY = {
    "llama": ["layers=2", "width=32", "heads=4", "kv_heads=2", "hidden=40", "context=16"],
    "gpt": ["layers=2", "width=32", "heads=4", "context=16"],
}


@pytest.fixture(scope="session")
def tiny(tmp_path_factory: pytest.TempPathFactory) -> Dataset:
    """A dataset of some 14,000 tokens of words drawn at random: nothing to learn but their frequencies."""
    random = np.random.RandomState(0)
    words = ["the", "cat", "sat", "on", "a", "mat", "na\u00efve", "\u6771\u4eac", "all", "day", "who", "sang"]
    lines = [" ".join(words[i] for i in np.minimum(random.geometric(0.2, 12), len(words)) - 1) for _ in range(1000)]
    folder = tmp_path_factory.mktemp("tiny")
    (folder / "text.txt").write_text("\n".join(lines) + "\n", encoding="utf-8")
    return prepare(folder / "text.txt", folder / "set", tokenizer="bpe:270", eos="line")


@pytest.fixture(scope="session")
def configure() -> Callable[..., Any]:
    """Make the configuration of a run that takes a moment: `configure("gpt", "steps=4", "model.dropout=0.2")`."""
    from pentanet.config import from_tree, with_overrides
    from pentanet.training.config import TrainConfig

    def make(family: str = "llama", *pairs: str) -> TrainConfig:
        run = ["steps=3", "eval_every=2", "log_every=1", "checkpoint_every=2", "batch.size=2"]
        where = ["precision=float32", "device=cpu", "optimizer.kind=adamw", "optimizer.lr=0.01", "schedule.warmup=1"]
        model = [f"model.{pair}" for pair in (f"family={family}", *TINY[family])]
        return from_tree(TrainConfig, with_overrides({}, [*run, *where, *model, *pairs]), "tiny")

    return make

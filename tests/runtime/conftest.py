"""Packed models of both families, hardly trained: what they say makes no sense, and that does not matter here."""

from __future__ import annotations

import shutil
from collections.abc import Callable
from pathlib import Path

import pytest

from pentanet.data.dataset import Dataset
from pentanet.training.config import TrainConfig
from pentanet.training.pack import pack
from pentanet.training.run import train


@pytest.fixture(scope="session")
def models(tmp_path_factory: pytest.TempPathFactory, configure: Callable[..., TrainConfig], tiny: Dataset) -> Path:
    """A folder with the model directories llama, tied, gpt; nobody changes them."""
    folder = tmp_path_factory.mktemp("models")
    settings = {
        "llama": ("llama",),
        "tied": ("llama", "model.tie=true", "weights.embedding=bfloat16", "weights.head=bfloat16"),
        "gpt": ("gpt", "weights.method=bitnet-seed", "weights.embedding=float32", "weights.head=grid"),
    }
    for name, pairs in settings.items():
        train(configure(*pairs, "steps=2"), folder / f"{name}-run", tiny)
        pack(folder / f"{name}-run", folder / name)
    return folder


@pytest.fixture
def copy(models: Path, tmp_path: Path) -> Callable[[str], Path]:
    """Copies a model, to be spoiled."""
    return lambda name: Path(shutil.copytree(models / name, tmp_path / name))

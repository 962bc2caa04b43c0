"""A small model with every storage: coded on several grids and granularities, plain, ragged."""

from __future__ import annotations

import shutil
from pathlib import Path

import numpy as np
import pytest

from pentanet.codes import Codes
from pentanet.format.model_dir import write_model
from pentanet.format.tensors import Coded, Plain, Tensor
from pentanet.grid import GRIDS

CONFIG = {"model_type": "llama", "hidden_size": 24}


def coded(
    grid: str, layout: str, shape: tuple[int, int], scales: tuple[int, int], seed: int = 0, *, bias: bool = False
) -> Coded:
    generator = np.random.default_rng(seed)
    levels = generator.choice(np.array(GRIDS[grid].levels, np.int8), shape)
    made = generator.uniform(0.01, 1, scales).astype(np.float32)
    added = generator.normal(size=shape[0]).astype(np.float32) if bias else None
    return Coded(Codes(levels, made, GRIDS[grid], added), layout)


@pytest.fixture(scope="session")
def tensors() -> dict[str, Tensor]:
    ramp = np.linspace(-1, 1, 21, dtype=np.float32)
    return {
        "embed.weight": coded("int8", "byte", (40, 24), (40, 1)),
        "norm.weight": Plain(ramp, "bfloat16"),
        "up.weight": coded("pentanary", "pentanary-7bit", (35, 24), (35, 1)),
        "down.weight": coded("ternary", "ternary-5in8", (24, 35), (24, 5), bias=True),
        "gate.weight": coded("binary", "binary-1bit", (16, 8), (1, 1)),
        "bias": Plain(ramp.reshape(3, 7), "float32"),
        "one": Plain(np.full((), 3.25, np.float32), "float32"),
    }


@pytest.fixture(scope="session")
def pristine(tmp_path_factory: pytest.TempPathFactory, tensors: dict[str, Tensor]) -> Path:
    """A model directory that nobody changes."""
    path = tmp_path_factory.mktemp("pristine") / "model"
    write_model(path, config=CONFIG, tensors=tensors, method="pentanary", tokenizer=b"{}", card="# Card\n")
    return path


@pytest.fixture
def model(tmp_path: Path, pristine: Path) -> Path:
    """A copy to spoil."""
    return shutil.copytree(pristine, tmp_path / "model")

"""BitNet checkpoints as they are published: packed, and as bfloat16 masters."""

from __future__ import annotations

import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from safetensors.torch import save_file

from pentanet.families import LlamaConfig
from pentanet.families.tensor_table import hub_shapes, linear_names

SIZES: dict[str, Any] = {"layers": 1, "width": 32, "heads": 2, "kv_heads": 1, "hidden": 48, "context": 16}
SHAPES = {
    "2b4t": LlamaConfig(activation="relu2", tie=True, **SIZES),
    "falcon-e": LlamaConfig(sub_norms=False, **SIZES),  # a Llama
}
VOCAB = 64


def pack(levels: torch.Tensor) -> torch.Tensor:
    """The published order: the first quarter of the rows in the lowest two bits, and so on, each level plus 1."""
    quarters = (levels + 1).to(torch.uint8).chunk(4)
    return sum((quarter << 2 * i for i, quarter in enumerate(quarters)), torch.zeros_like(quarters[0]))


def save(path: Path, config: LlamaConfig, state: dict[str, torch.Tensor], section: dict[str, Any] | None) -> None:
    """Write a directory."""
    path.mkdir()
    hub = config.hub_config(VOCAB) | ({} if section is None else {"quantization_config": section})
    (path / "config.json").write_text(json.dumps(hub))
    save_file(state, path / "model.safetensors")


@pytest.fixture
def packed_bitnet(tmp_path: Path) -> Callable[..., dict[str, np.ndarray]]:
    """Writes tmp_path/bitnet, ternary with the scale 1/4; the levels by name."""

    def write(shape: str = "2b4t", linear_class: str = "autobitlinear", /, **changes: Any) -> dict[str, np.ndarray]:
        config = SHAPES[shape]
        generator = torch.Generator().manual_seed(0)
        levels: dict[str, np.ndarray] = {}
        state: dict[str, torch.Tensor] = {}
        for name, size in hub_shapes(config, VOCAB).items():
            if name in linear_names(config, VOCAB):
                drawn = torch.randint(-1, 2, size, generator=generator)
                levels[name] = drawn.numpy().astype(np.int8)
                state[name] = pack(drawn)
                scale = 0.25 if linear_class == "autobitlinear" else 4.0
                state[f"{name}_scale"] = torch.tensor([scale], dtype=torch.bfloat16)
            else:
                state[name] = torch.randn(size, generator=generator).bfloat16().float()
        section = {"quant_method": "bitnet", "linear_class": linear_class, "quantization_mode": "offline"}
        kept = {key: value for key, value in (section | changes).items() if value is not None}
        save(tmp_path / "bitnet", config, state, kept)
        return levels

    return write


@pytest.fixture
def masters(tmp_path: Path) -> Callable[..., dict[str, torch.Tensor]]:
    """Writes tmp_path/masters with random weights in bfloat16; those of the linears by name."""

    def write(shape: str = "2b4t", section: dict[str, Any] | None = None) -> dict[str, torch.Tensor]:
        config = SHAPES[shape]
        generator = torch.Generator().manual_seed(0)
        shapes, linears = hub_shapes(config, VOCAB), linear_names(config, VOCAB)
        state = {name: torch.randn(size, generator=generator).bfloat16() for name, size in shapes.items()}
        state |= {name: state[name] * 0.02 for name in linears}
        save(tmp_path / "masters", config, state, section)
        return {name: state[name] for name in linears}

    return write

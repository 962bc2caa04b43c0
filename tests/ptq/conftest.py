"""Tiny pretrained models with random weights, as Hugging Face's libraries write them."""

from __future__ import annotations

import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
import torch
from safetensors.torch import save_file

from pentanet.data import tokenizer as tokenizers
from pentanet.ptq.families import complete, transposed
from pentanet.shapes import config_from_hub
from pentanet.shapes.places import hub_shapes

LLAMA = {
    "architectures": ["LlamaForCausalLM"],
    "model_type": "llama",
    "vocab_size": 270,
    "hidden_size": 32,
    "intermediate_size": 48,
    "num_hidden_layers": 2,
    "num_attention_heads": 4,
    "num_key_value_heads": 2,
    "max_position_embeddings": 64,
    "rms_norm_eps": 1e-5,
    "rope_theta": 10000.0,
    "hidden_act": "silu",
    "initializer_range": 0.02,
    "tie_word_embeddings": True,
}
LLAMA3 = {
    **LLAMA,
    "tie_word_embeddings": False,
    "rope_scaling": {
        "rope_type": "llama3",
        "factor": 8.0,
        "low_freq_factor": 1.0,
        "high_freq_factor": 4.0,
        "original_max_position_embeddings": 32,
    },
}
QWEN3 = {**LLAMA, "model_type": "qwen3", "architectures": ["Qwen3ForCausalLM"], "head_dim": 16}
GPT2 = {
    "architectures": ["GPT2LMHeadModel"],
    "model_type": "gpt2",
    "activation_function": "gelu_new",
    "vocab_size": 270,
    "n_embd": 32,
    "n_layer": 2,
    "n_head": 4,
    "n_positions": 64,
    "tie_word_embeddings": True,
}
CONFIGS = {"llama": LLAMA, "llama3": LLAMA3, "qwen3": QWEN3, "gpt2": GPT2}
TEXT = "the cat sat on a mat all day and who sang to the cat on the mat was a day older\n" * 60

Make = Callable[..., Path]


def draw_weights(config: dict[str, Any], dtype: torch.dtype = torch.float32) -> dict[str, torch.Tensor]:
    """Weights of the sizes of a config.json; vectors about 1, matrices about as large as in a trained network."""
    random = torch.Generator().manual_seed(0)
    drawn: dict[str, torch.Tensor] = {}
    for name, shape in hub_shapes(config_from_hub(complete(config, "")), config["vocab_size"]).items():
        shape = shape[::-1] if transposed(name, config["model_type"]) else shape
        values = torch.randn(shape, generator=random)
        drawn[name] = (1 + 0.1 * values if len(shape) == 1 else values * shape[1] ** -0.5).to(dtype)
    return drawn


@pytest.fixture(scope="session")
def configs() -> dict[str, dict[str, Any]]:
    return CONFIGS


@pytest.fixture(scope="session")
def weights_of() -> Callable[..., dict[str, torch.Tensor]]:
    return draw_weights


@pytest.fixture(scope="session")
def tokenizer_json() -> bytes:
    return tokenizers.train_bpe(TEXT.splitlines(keepends=True), 270).to_str().encode()


@pytest.fixture
def make(tmp_path: Path, tokenizer_json: bytes) -> Make:
    """Write a model directory: `make("qwen3", shards=2, tie_word_embeddings=False)`."""

    def write(family: str = "llama", *, shards: int = 1, dtype: torch.dtype = torch.float32, **changes: Any) -> Path:
        folder = tmp_path / family
        folder.mkdir()
        config = {**CONFIGS[family], **changes}
        weights = draw_weights(CONFIGS[family], dtype)
        (folder / "config.json").write_text(json.dumps(config))
        (folder / "tokenizer.json").write_bytes(tokenizer_json)
        if shards == 1:
            save_file(weights, folder / "model.safetensors")
            return folder
        names = list(weights)
        where = {name: f"model-{i % shards + 1:05d}-of-{shards:05d}.safetensors" for i, name in enumerate(names)}
        for file in sorted(set(where.values())):
            save_file({name: weights[name] for name in names if where[name] == file}, folder / file)
        (folder / "model.safetensors.index.json").write_text(json.dumps({"metadata": {}, "weight_map": where}))
        return folder

    return write


@pytest.fixture
def text_file(tmp_path: Path) -> Path:
    file = tmp_path / "text.txt"
    file.write_text(TEXT)
    return file

"""Small packed models with random weights."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch

from pentanet.data.tokenizer import train_bpe
from pentanet.families import LlamaConfig
from pentanet.families.build import build
from pentanet.format.model_dir import write_model
from pentanet.format.tensors import Coded
from pentanet.nn import Trainable
from pentanet.training.pack import export_tensors

TEXT = ["the cat sat on the mat", "all day long it sang, and nobody listened to its 42 songs"]
SIZES: dict[str, Any] = {"layers": 2, "width": 256, "heads": 4, "kv_heads": 2, "hidden": 512, "context": 64}
Make = Callable[..., Path]


@pytest.fixture
def make(tmp_path: Path) -> Make:
    """Writes a model directory of random weights; `half` rounds its scales to float16, `sizes` are the network's."""

    def write(
        name: str = "model",
        *,
        method: str = "pentanary",
        embedding: str = "int8",
        head: str = "int8",
        half: bool = True,
        config: dict[str, Any] | None = None,
        **sizes: Any,
    ) -> Path:
        tokenizer = train_bpe(TEXT, 280)
        vocab = tokenizer.get_vocab_size()
        model = LlamaConfig(**{"sub_norms": False, **SIZES, **sizes})
        network = build(model, vocab, Trainable(method, embedding, head))
        with torch.no_grad():
            network.initialize(torch.Generator().manual_seed(0))
        tensors = export_tensors(network)
        for key, tensor in tensors.items():
            if half and isinstance(tensor, Coded):
                scales = tensor.codes.scales.astype(np.float16).astype(np.float32)
                tensors[key] = Coded(replace(tensor.codes, scales=scales), tensor.layout)
        write_model(
            tmp_path / name,
            config={**model.hub_config(vocab), "eos_token_id": 0, **(config or {})},
            tensors=tensors,
            method=method,
            tokenizer=tokenizer.to_str().encode(),
            card="",
        )
        return tmp_path / name

    return write

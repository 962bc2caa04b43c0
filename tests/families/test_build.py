"""From a configuration to a network."""

from __future__ import annotations

import pytest
import torch

from pentanet.families import GPTConfig, LlamaConfig, ModelConfig
from pentanet.families.build import build
from pentanet.families.gpt2.network import GPT2Network
from pentanet.families.llama.network import Llama
from pentanet.nn import Trainable


@pytest.mark.parametrize(("config", "kind"), [(LlamaConfig(layers=1), Llama), (GPTConfig(layers=1), GPT2Network)])
def test_the_family_decides_the_network(config: ModelConfig, kind: type) -> None:
    assert isinstance(build(config, 11, Trainable("ternary")), kind)


def test_a_network_on_meta_takes_no_memory() -> None:
    model = build(
        LlamaConfig(layers=2, width=1 << 16, heads=1, kv_heads=1, hidden=1 << 18), 1 << 20, Trainable("ternary"), "meta"
    )
    assert {p.device.type for p in model.parameters()} == {"meta"}
    assert sum(p.numel() for p in model.parameters()) > 10**11


def test_both_families_under_autocast() -> None:
    for config in (LlamaConfig(layers=1, context=8), GPTConfig(layers=1, width=96, context=8)):
        model = build(config, 11, Trainable("ternary"))
        model.initialize(torch.Generator().manual_seed(0))
        with torch.autocast("cpu", torch.bfloat16):
            logits = model(torch.zeros(1, 4, dtype=torch.int64))
        assert logits.dtype == torch.bfloat16
        logits.float().sum().backward()
        assert all(p.grad is not None and p.grad.dtype == torch.float32 for p in model.parameters())

"""Places are the tensors of the networks that torch builds."""

from __future__ import annotations

import pytest

from pentanet.extras import ACTIVATIONS, LOW_RANK, Activations, LowRank
from pentanet.models import build
from pentanet.runtime.modules import Packed, PackedMatrix
from pentanet.shapes import GPT2Config, GPTConfig, LlamaConfig, ModelConfig
from pentanet.shapes.places import Place, places

VOCAB = 11
SMALL = {"layers": 2, "width": 24, "heads": 6, "hidden": 40, "context": 7}
CONFIGS: list[ModelConfig] = [
    LlamaConfig(**SMALL, kv_heads=2),
    LlamaConfig(**SMALL, kv_heads=6, sub_norms=False, tie=True, head_dim=8),
    LlamaConfig(**SMALL, kv_heads=3, sub_norms=False, qk_norm=True),
    LlamaConfig(**SMALL, kv_heads=3, sub_norms=False, qkv_bias=True, tie=True),
    LlamaConfig(**{**SMALL, "width": 300, "hidden": 260}, kv_heads=1),
    GPTConfig(layers=3, width=24, heads=4, context=7),
    GPT2Config(**SMALL, norm_eps=1e-5, tie=True),
    GPT2Config(**SMALL, norm_eps=1e-5, tie=False),
]


@pytest.mark.parametrize("config", CONFIGS, ids=lambda config: f"{type(config).__name__}-{hash(config) & 0xFFFF}")
@pytest.mark.parametrize("activations", ACTIVATIONS)
@pytest.mark.parametrize("low_rank", LOW_RANK)
def test_places_are_the_tensors_of_the_network(
    config: ModelConfig, activations: Activations, low_rank: LowRank
) -> None:
    network = build(config, VOCAB, Packed(activations, low_rank), "meta")
    built = {name: Place(shape=tuple(p.shape), plain=True) for name, p in network.named_parameters()}
    for name, module in network.named_modules():
        if isinstance(module, PackedMatrix) and not (name == "lm_head" and network.stores_head_once):
            built[f"{name}.weight"] = Place(shape=module.shape)
    found = places(config, VOCAB, activations, low_rank)
    assert {name: Place(shape=p.shape, plain=p.plain) for name, p in found.items()} == built


def test_biases_belong_to_the_linears_that_have_them() -> None:
    qwen = LlamaConfig(**SMALL, kv_heads=3, sub_norms=False, qkv_bias=True)
    biased = {name for name, place in places(qwen, VOCAB).items() if place.bias}
    assert biased == {f"model.layers.{i}.self_attn.{p}_proj.weight" for i in range(2) for p in "qkv"}
    gpt2 = GPT2Config(**SMALL, norm_eps=1e-5, tie=True)
    linears = ("attn.c_attn", "attn.c_proj", "mlp.c_fc", "mlp.c_proj")
    assert {name for name, place in places(gpt2, VOCAB).items() if place.bias} == {
        f"transformer.h.{i}.{name}.weight" for i in range(2) for name in linears
    }
    assert not any(place.bias for place in places(GPTConfig(), VOCAB).values())

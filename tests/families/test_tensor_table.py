"""The table has the tensors of the networks that torch builds."""

from __future__ import annotations

import pytest

from pentanet.families import GPT2Config, GPTConfig, LlamaConfig, ModelConfig
from pentanet.families.build import build
from pentanet.families.table_builder import Entry
from pentanet.families.tensor_table import bias_of, has_own_head, hub_shapes, linear_names, tensor_table
from pentanet.linear_options import ACTIVATIONS, LOW_RANK, Activations, LowRank
from pentanet.nn import QuantLinear
from pentanet.runtime.modules import Packed, PackedMatrix
from pentanet.sources.float_network import FloatWeights

VOCAB = 11
SMALL = {"layers": 2, "width": 24, "heads": 6, "hidden": 40, "context": 7}
CONFIGS: list[ModelConfig] = [
    LlamaConfig(**SMALL, kv_heads=2),
    LlamaConfig(**SMALL, kv_heads=6, sub_norms=False, tie=True, head_dim=8),
    LlamaConfig(**SMALL, kv_heads=3, sub_norms=False, qk_norm=True),
    LlamaConfig(**SMALL, kv_heads=3, sub_norms=False, attention_bias="qkv", tie=True),
    LlamaConfig(**SMALL, kv_heads=3, sub_norms=False, attention_bias="all", mlp_bias=True),
    LlamaConfig(**{**SMALL, "width": 300, "hidden": 260}, kv_heads=1),
    GPTConfig(layers=3, width=24, heads=4, context=7),
    GPT2Config(**SMALL, norm_eps=1e-5, tie=True),
    GPT2Config(**SMALL, norm_eps=1e-5, tie=False),
]
NAMES = ("bitnet", "tied", "qwen3", "qwen2", "biases", "ranks", "gpt", "gpt2", "untied-gpt2")


@pytest.mark.parametrize("config", CONFIGS, ids=NAMES)
@pytest.mark.parametrize("activations", ACTIVATIONS)
@pytest.mark.parametrize("low_rank", LOW_RANK)
def test_the_table_has_the_tensors_of_the_network(
    config: ModelConfig, activations: Activations, low_rank: LowRank
) -> None:
    network = build(config, VOCAB, Packed(activations, low_rank), "meta")
    built = {name: Entry(shape=tuple(p.shape), plain=True) for name, p in network.named_parameters()}
    for name, module in network.named_modules():
        if isinstance(module, PackedMatrix) and (name != "lm_head" or has_own_head(config)):
            built[f"{name}.weight"] = Entry(shape=module.shape)
    found = tensor_table(config, VOCAB, activations, low_rank)
    assert {name: Entry(shape=p.shape, plain=p.plain) for name, p in found.items()} == built


@pytest.mark.parametrize("config", CONFIGS, ids=NAMES)
def test_shapes_in_full_precision_are_those_of_the_float_network(config: ModelConfig) -> None:
    network = build(config, VOCAB, FloatWeights(), "meta")
    assert hub_shapes(config, VOCAB) == {name: tuple(p.shape) for name, p in network.named_parameters()} | (
        # Its own head is a second name of the same weight there; the packed file has both.
        {"lm_head.weight": (VOCAB, config.width)} if isinstance(config, GPTConfig) else {}
    )
    linears = [n for n, m in network.named_modules() if isinstance(m, QuantLinear) and m.by_method]
    assert linear_names(config, VOCAB) == [f"{name}.weight" for name in linears]
    biased = {name for name in linear_names(config, VOCAB) if bias_of(name, hub_shapes(config, VOCAB))}
    assert biased == {name for name, entry in tensor_table(config, VOCAB).items() if entry.bias}


def test_biases_belong_to_the_linears_that_have_them() -> None:
    qwen = LlamaConfig(**SMALL, kv_heads=3, sub_norms=False, attention_bias="qkv")
    biased = {name for name, entry in tensor_table(qwen, VOCAB).items() if entry.bias}
    assert biased == {f"model.layers.{i}.self_attn.{p}_proj.weight" for i in range(2) for p in "qkv"}
    gpt2 = GPT2Config(**SMALL, norm_eps=1e-5, tie=True)
    linears = ("attn.c_attn", "attn.c_proj", "mlp.c_fc", "mlp.c_proj")
    assert {name for name, entry in tensor_table(gpt2, VOCAB).items() if entry.bias} == {
        f"transformer.h.{i}.{name}.weight" for i in range(2) for name in linears
    }
    assert not any(entry.bias for entry in tensor_table(GPTConfig(), VOCAB).values())

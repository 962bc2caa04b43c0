"""Llama.cpp's names are those of the package that it publishes."""

from __future__ import annotations

import pytest

from pentanet.families import LlamaConfig
from pentanet.families.llama.gguf import GGUF
from pentanet.families.tensor_table import hub_shapes

gguf = pytest.importorskip("gguf")
SMALL = {"layers": 2, "width": 24, "heads": 6, "kv_heads": 3, "hidden": 40, "context": 7, "sub_norms": False}
BIASED = {"attention_bias": "all", "mlp_bias": True}


@pytest.mark.parametrize(
    "options", [{}, {"tie": True}, {"qk_norm": True}, {"attention_bias": "qkv"}, {"window": 4}, BIASED], ids=str
)
def test_names_are_those_of_the_package(options: dict[str, bool]) -> None:
    config = LlamaConfig(**SMALL, **options)
    names = gguf.get_tensor_name_map(gguf.MODEL_ARCH[GGUF.architecture(config).upper()], config.layers)
    for name in hub_shapes(config, 11):
        assert GGUF.theirs(name) == names.get_name(name, try_suffixes=(".weight", ".bias"))
        assert GGUF.ours(GGUF.theirs(name)) == name


@pytest.mark.parametrize("name", ["token_embd", "blk.0.attn_q", "blk.0.attn_qkv.weight", "v.blk.0.attn_q.weight", ""])
def test_names_of_other_networks_are_none_of_ours(name: str) -> None:
    assert GGUF.ours(name) is None


@pytest.mark.parametrize("options", [{"sub_norms": True}, {"activation": "relu2"}], ids=str)
def test_what_llama_cpp_does_not_have_is_named(options: dict[str, object]) -> None:
    assert GGUF.refusal(LlamaConfig(**{**SMALL, **options}))
    assert not GGUF.refusal(LlamaConfig(**SMALL))

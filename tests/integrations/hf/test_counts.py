"""What transformers asks of sizes: packed weights count, and have theirs."""

from __future__ import annotations

import pytest
import torch

from pentanet.errors import ModelConfigError
from pentanet.runtime.inspect import inspect

transformers = pytest.importorskip("transformers")

import pentanet  # noqa: E402, F401
from pentanet.integrations.hf import PentaNetConfig  # noqa: E402

SMALL = {"width": 32, "heads": 2, "kv_heads": 1, "hidden": 40, "context": 32}
PLAIN = {"embedding": "float32", "head": "float32"}


@pytest.fixture(autouse=True)
def offline(monkeypatch):
    monkeypatch.setenv("HF_HUB_OFFLINE", "1")


def opened(path, **settings):
    return transformers.AutoModelForCausalLM.from_pretrained(path, **settings)


@pytest.mark.parametrize("settings", [{}, {"tie": True}, PLAIN])
def test_packed_weights_are_counted(make, settings):
    path = make(**SMALL, **settings)
    model, found = opened(path), inspect(path)
    assert model.num_parameters() == found.parameters
    embedding = next(row for row in found.rows if row.name == "model.embed_tokens.weight")
    assert model.num_parameters(exclude_embeddings=True) == found.parameters - embedding.parameters
    assert model.num_parameters(only_trainable=True) == sum(p.numel() for p in model.parameters() if p.requires_grad)


@pytest.mark.parametrize("settings", [{}, {"tie": True}, {"embedding": "float32"}, {"head": "float32"}])
def test_what_is_packed_keeps_its_size(make, settings):
    model = opened(make(**SMALL, **settings))
    assert model.resize_token_embeddings() is model.get_input_embeddings()
    assert model.resize_token_embeddings(280) is model.get_input_embeddings()
    for call in ({"new_num_tokens": 300}, {"pad_to_multiple_of": 64}):
        with pytest.raises(ModelConfigError, match="this LlamaForCausalLM is packed, so it keeps its size"):
            model.resize_token_embeddings(**call)


def test_plain_embeddings_are_resized(make, tmp_path):
    model = opened(make(**SMALL, **PLAIN))
    model.resize_token_embeddings(300)
    model.save_pretrained(tmp_path / "larger")
    ids = torch.tensor([[1, 290]])
    with torch.inference_mode():
        logits = opened(tmp_path / "larger")(ids).logits
        assert logits.shape == (1, 2, 300)
        torch.testing.assert_close(logits, model(ids).logits, rtol=0, atol=0)


def test_latent_weights_are_counted_once(make):
    path = make(**SMALL, method="full-precision", **PLAIN)
    config = PentaNetConfig("ternary", trainable=True)
    original = transformers.LlamaConfig.from_pretrained(path)
    del original.quantization_config
    transformers.LlamaForCausalLM(original).save_pretrained(path / "plain")
    model = opened(path / "plain", quantization_config=config)
    assert model.num_parameters() == sum(parameter.numel() for parameter in model.parameters())

"""What is quantized while a model loads, and what is said of the rest."""

from __future__ import annotations

import logging

import pytest
import torch

from pentanet.errors import ConfigError, SmallShareError

transformers = pytest.importorskip("transformers")

from pentanet.integrations.hf import PentaNetConfig  # noqa: E402
from pentanet.integrations.hf.choose import choose  # noqa: E402
from pentanet.integrations.hf.modules import LatentLinear, PackedLinear  # noqa: E402

IDS = torch.tensor([[5, 9, 200, 3, 77, 12]])
FAMILIES = {
    "mixtral": {
        "hidden_size": 32,
        "intermediate_size": 48,
        "num_hidden_layers": 1,
        "num_attention_heads": 2,
        "num_key_value_heads": 1,
        "num_local_experts": 4,
    },
    "gpt2": {"n_embd": 32, "n_layer": 1, "n_head": 2, "n_positions": 64, "bos_token_id": 0, "eos_token_id": 0},
    "mamba": {"hidden_size": 32, "num_hidden_layers": 1, "state_size": 8, "eos_token_id": 0},
    "bloom": {"hidden_size": 32, "n_layer": 1, "n_head": 2},
}


@pytest.fixture(autouse=True)
def offline(monkeypatch):
    monkeypatch.setenv("HF_HUB_OFFLINE", "1")


@pytest.fixture
def original(tmp_path):
    """Writes a model of transformers with random weights, and opens it."""

    def write(kind):
        torch.manual_seed(0)
        config = transformers.AutoConfig.for_model(kind, vocab_size=256, **FAMILIES[kind])
        model = transformers.AutoModelForCausalLM.from_config(config).eval()
        model.save_pretrained(tmp_path / kind)
        return tmp_path / kind, model

    return write


def opened(path, *settings, **more):
    config = PentaNetConfig(*settings, **more)
    return transformers.AutoModelForCausalLM.from_pretrained(path, quantization_config=config)


@torch.inference_mode()
def logits(model):
    return model(IDS).logits


def test_experts_that_are_no_linears_are_named_and_refused(original):
    path, _ = original("mixtral")
    with pytest.raises(SmallShareError, match=r"14\.\d% .*MixtralExperts 'experts' 85\.\d%.*min_share=0"):
        opened(path)


def test_a_small_share_can_be_allowed_and_is_said(original, caplog):
    path, _ = original("mixtral")
    with caplog.at_level(logging.WARNING):
        model = opened(path, min_share=0)
    assert "MixtralExperts 'experts'" in caplog.text
    assert sum(isinstance(module, PackedLinear) for module in model.modules()) == 4


def test_what_the_user_leaves_out_does_not_count(original):
    path, _ = original("mixtral")
    model = opened(path, modules_to_not_convert=["lm_head", "model.layers.0.mlp"])
    assert sum(isinstance(module, PackedLinear) for module in model.modules()) == 4


@pytest.mark.parametrize("share", [-0.1, 1.5])
def test_a_share_is_between_nothing_and_all(share):
    with pytest.raises(ConfigError, match="min_share"):
        PentaNetConfig(min_share=share)


def test_turned_linears_are_quantized_like_others(original, tmp_path, caplog):
    path, plain = original("gpt2")
    with caplog.at_level(logging.WARNING, logger="pentanet"):
        model = opened(path)
    assert not caplog.text, "nothing is left"
    layer = model.transformer.h[0].mlp.c_fc
    assert isinstance(layer, PackedLinear)
    assert layer.spec.shape == (128, 32)
    turned = plain.transformer.h[0].mlp.c_fc.weight.T
    error = (layer.matrix().all() - turned).norm() / turned.norm()
    assert 0.2 < error < 0.35  # of a Gaussian: 0.283
    model.save_pretrained(tmp_path / "packed")
    again = transformers.AutoModelForCausalLM.from_pretrained(tmp_path / "packed")
    torch.testing.assert_close(logits(again), logits(model), rtol=0, atol=0)


def test_turned_linears_train_turned(original):
    path, _ = original("gpt2")
    trained, packed = opened(path, trainable=True), opened(path)
    layer = trained.transformer.h[0].mlp.c_fc
    assert isinstance(layer, LatentLinear)
    assert layer.weight.shape == (32, 128)
    torch.testing.assert_close(logits(trained.eval()), logits(packed), rtol=1e-4, atol=1e-5)
    trained(IDS).logits.sum().backward()
    assert layer.weight.grad.abs().sum() > 0


def test_a_weight_that_the_network_reads_by_itself_stays(original, caplog):
    """Mamba's mixer multiplies by the weight of dt_proj: packed bytes are no matrix to it."""
    path, _ = original("mamba")
    with caplog.at_level(logging.WARNING):
        model = opened(path)
    assert "'dt_proj' (used past the module)" in caplog.text
    assert isinstance(model.backbone.layers[0].mixer.in_proj, PackedLinear)
    assert torch.isfinite(logits(model)).all()


def test_a_weight_that_is_read_in_rare_cases_only_is_quantized(original):
    _, model = original("bloom")
    assert choose(model, ["lm_head"], asked=[], min_share=1).share == 1

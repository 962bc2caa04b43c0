"""Saving: packed for use, latent to go on training with; scales keep their precision."""

from __future__ import annotations

import json

import pytest
import torch
from safetensors.torch import load_file

from pentanet.errors import CheckpointError, ModelConfigError
from pentanet.format.model_dir import open_model

transformers = pytest.importorskip("transformers")

from pentanet.integrations.hf import PentaNetConfig  # noqa: E402
from pentanet.integrations.hf.modules import LatentLinear, PackedLinear  # noqa: E402

SIZES = {
    "vocab_size": 256, "hidden_size": 32, "intermediate_size": 40, "num_hidden_layers": 1, "num_attention_heads": 2,
    "num_key_value_heads": 1, "max_position_embeddings": 32,
}  # fmt: skip
DATA = [{"input_ids": row, "labels": row} for row in torch.randint(256, (32, 16))]


@pytest.fixture(autouse=True)
def offline(monkeypatch):
    monkeypatch.setenv("HF_HUB_OFFLINE", "1")


@pytest.fixture(params=[False, True], ids=["untied", "tied"])
def original(request, tmp_path):
    torch.manual_seed(0)
    config = transformers.LlamaConfig(**SIZES, tie_word_embeddings=request.param)
    transformers.LlamaForCausalLM(config).save_pretrained(tmp_path / "original")
    return tmp_path / "original"


def trainable(path):
    config = PentaNetConfig("ternary", trainable=True)
    return transformers.AutoModelForCausalLM.from_pretrained(path, quantization_config=config)


def trainer(path, run):
    pytest.importorskip("accelerate")
    arguments = transformers.TrainingArguments(
        str(run), max_steps=4, per_device_train_batch_size=4, learning_rate=1e-2, report_to=[], use_cpu=True,
        save_steps=2, disable_tqdm=True, logging_steps=1, dataloader_pin_memory=False, seed=1,
    )  # fmt: skip
    return transformers.Trainer(model=trainable(path), args=arguments, train_dataset=DATA)


def test_resuming_is_as_if_it_had_never_stopped(original, tmp_path):
    whole = trainer(original, tmp_path / "run")
    whole.train()
    again = trainer(original, tmp_path / "again")
    again.train(resume_from_checkpoint=str(tmp_path / "run" / "checkpoint-2"))
    for (name, one), (_, two) in zip(whole.model.named_parameters(), again.model.named_parameters(), strict=True):
        torch.testing.assert_close(two, one, rtol=0, atol=0, msg=name)


def test_a_latent_checkpoint_opens_trains_on_and_packs(original, tmp_path):
    model = trainable(original)
    model.save_pretrained(tmp_path / "kept", latent=True)
    again = transformers.AutoModelForCausalLM.from_pretrained(tmp_path / "kept")
    layer = again.model.layers[0].mlp.up_proj
    assert isinstance(layer, LatentLinear)
    assert torch.equal(layer.weight, model.model.layers[0].mlp.up_proj.weight)
    again.save_pretrained(tmp_path / "packed")
    model.save_pretrained(tmp_path / "directly")
    files = [tmp_path / name / "model.safetensors" for name in ("packed", "directly")]
    assert files[0].read_bytes() == files[1].read_bytes()
    with pytest.raises(ModelConfigError, match="latent"):
        open_model(tmp_path / "kept")


def test_packed_models_are_no_checkpoints(original, tmp_path):
    model = trainable(original)
    model.save_pretrained(tmp_path / "packed")
    (tmp_path / "packed").rename(tmp_path / "checkpoint-2")
    with pytest.raises(CheckpointError, match=r"q_proj\.weight: packed.*checkpoint-N"):
        model.load_state_dict(load_file(tmp_path / "checkpoint-2" / "model.safetensors"), False)


def test_scales_do_not_follow_another_type(original, tmp_path):
    config = PentaNetConfig("ternary")
    model = transformers.AutoModelForCausalLM.from_pretrained(original, quantization_config=config)
    layer = model.model.layers[0].mlp.up_proj
    assert isinstance(layer, PackedLinear)
    before = layer.weight_scale.clone()
    model.to(torch.bfloat16)
    assert torch.equal(layer.weight_scale, before)
    assert model.lm_head.weight.dtype == torch.bfloat16


def test_a_trunk_opens_without_its_head(original, tmp_path):
    config = PentaNetConfig("ternary")
    model = transformers.AutoModelForCausalLM.from_pretrained(original, quantization_config=config)
    model.save_pretrained(tmp_path / "packed")
    trunk = transformers.AutoModel.from_pretrained(tmp_path / "packed")
    ids = torch.tensor([[5, 9, 200]])
    with torch.inference_mode():
        expected = model(ids, output_hidden_states=True).hidden_states[-1]
        torch.testing.assert_close(trunk(ids).last_hidden_state, expected, rtol=0, atol=0)
    assert json.loads((tmp_path / "packed" / "config.json").read_text())["architectures"] == ["LlamaForCausalLM"]

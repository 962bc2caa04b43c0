"""Families that are read and not trained here: transformers' networks with random weights are the reference."""

from __future__ import annotations

import json
from dataclasses import replace

import pytest
import torch
from edits import round_inputs
from safetensors.torch import load_file, save_file

from pentanet.data import tokenizer as tokenizers
from pentanet.errors import MissingTensorError, ModelConfigError
from pentanet.families.tensor_table import linear_names
from pentanet.finetuning.config import FinetuneConfig
from pentanet.finetuning.run import finetune
from pentanet.format.container import open_tensors
from pentanet.format.model_dir import open_model, write_into
from pentanet.format.tensors import Coded, CodedSpec, Plain
from pentanet.integrations.gguf.export import export
from pentanet.kernels import native
from pentanet.ptq import run
from pentanet.ptq.config import QuantizeConfig
from pentanet.runtime.engine import Engine
from pentanet.runtime.load import load
from pentanet.sources.float_network import load_float
from pentanet.sources.open import open_source

transformers = pytest.importorskip("transformers")

import pentanet  # noqa: E402, F401

IDS = torch.tensor([[5, 9, 200, 3, 77, 12]])
SMALL = {
    "hidden_size": 32,
    "intermediate_size": 48,
    "num_hidden_layers": 2,
    "num_attention_heads": 4,
    "num_key_value_heads": 2,
    "max_position_embeddings": 64,
}
FAMILIES = {
    "qwen2": {**SMALL, "tie_word_embeddings": True},
    "llama with biases": {**SMALL, "attention_bias": True, "mlp_bias": True},
    "qwen3 with biases": {**SMALL, "head_dim": 8, "attention_bias": True},
    "gpt2": {"n_embd": 32, "n_layer": 2, "n_head": 4, "n_positions": 64},
    "gpt2 untied": {
        "n_embd": 32,
        "n_layer": 1,
        "n_head": 2,
        "n_positions": 64,
        "n_inner": 40,
        "tie_word_embeddings": False,
    },
}


def logits(network) -> torch.Tensor:
    with torch.inference_mode():
        found = network(IDS)
    return getattr(found, "logits", found)


@pytest.fixture(params=FAMILIES)
def pretrained(request, tmp_path, monkeypatch):
    """A directory as transformers writes it, with biases that are not zero, and its network."""
    monkeypatch.setenv("HF_HUB_OFFLINE", "1")
    torch.manual_seed(0)
    config = transformers.AutoConfig.for_model(request.param.split()[0], vocab_size=270, **FAMILIES[request.param])
    model = transformers.AutoModelForCausalLM.from_config(config).eval()
    with torch.no_grad():
        for parameter in model.parameters():
            parameter.add_(0.1 * torch.randn(parameter.shape))
    model.save_pretrained(tmp_path / "model")
    tokenizers.train_bpe(["the cat sat on the mat\n"] * 9, 270).save(str(tmp_path / "model/tokenizer.json"))
    return tmp_path / "model", model


def test_the_float_network_is_that_of_transformers(pretrained):
    folder, model = pretrained
    torch.testing.assert_close(logits(load_float(open_source(folder))), logits(model), atol=2e-5, rtol=1e-4)


@pytest.mark.parametrize(
    "settings", [{"grid": "int8"}, {"group": 8}, {"method": "ptqtp"}, {"method": "ptqtp", "planes": 3}]
)
def test_transformers_torch_and_the_engine_run_the_same_directory(pretrained, tmp_path, settings):
    folder, model = pretrained
    out = tmp_path / "out"
    run.quantize(open_source(folder), out, QuantizeConfig(**settings))
    ours, theirs = load(out).network, transformers.AutoModelForCausalLM.from_pretrained(out)
    torch.testing.assert_close(logits(ours), logits(theirs), atol=2e-5, rtol=1e-4)
    if settings == {"grid": "int8"}:  # nothing was transposed, swapped or left out
        torch.testing.assert_close(logits(ours), logits(model), atol=0.1, rtol=0.05)
    theirs.save_pretrained(tmp_path / "again")
    before, after = (open_tensors(path / "model.safetensors") for path in (out, tmp_path / "again"))
    assert (after.header.digests, after.data.tobytes()) == (before.header.digests, before.data.tobytes())
    if native.available():
        round_inputs(out)
        engine = torch.from_numpy(Engine.open(out, threads=1).logits(IDS[0].tolist()))
        torch.testing.assert_close(engine, logits(load(out).network)[0], atol=2e-3, rtol=2e-3)


def test_finetuning_keeps_and_trains_biases(pretrained, tmp_path):
    folder, _ = pretrained
    source = open_source(folder)
    run.quantize(source, tmp_path / "out", QuantizeConfig(group=8))
    config = FinetuneConfig(steps=2, batch=1, window=8, lr=1e-3)
    finetune(tmp_path / "out", source, list(range(40)), tmp_path / "tuned", config)
    before, after = open_model(tmp_path / "out"), open_model(tmp_path / "tuned")
    (name, *_) = linear_names(source.config, source.vocab)
    assert before.bias(name) is not None
    assert 0 < abs(before.bias(name) - after.bias(name)).max() < 0.01


def test_a_packed_model_without_its_biases_is_refused(pretrained, tmp_path):
    folder, _ = pretrained
    out = tmp_path / "out"
    run.quantize(open_source(folder), out, QuantizeConfig())
    packed = open_model(out)
    tensors = {
        name: Coded(replace(packed.codes(name), bias=None), spec.layout)
        if isinstance(spec, CodedSpec)
        else Plain(packed.plain(name), spec.dtype)
        for name, spec in packed.specs.items()
    }
    config = {key: value for key, value in packed.config.items() if key != "quantization_config"}
    write_into(out, config=config, tensors=tensors, method="rtn")
    with pytest.raises(MissingTensorError, match="has no bias"):
        load(out)


def test_the_names_of_the_first_files_of_gpt2(pretrained):
    """They lack the name of the trunk, and hold masks that are no weights."""
    folder, model = pretrained
    if model.config.model_type != "gpt2":
        pytest.skip("of GPT-2 only")
    stored = load_file(folder / "model.safetensors")
    short = {name.removeprefix("transformer."): value for name, value in stored.items()}
    short["h.0.attn.bias"] = torch.ones(1, 1, 64, 64)
    save_file(short, folder / "model.safetensors", {"format": "pt"})
    torch.testing.assert_close(logits(load_float(open_source(folder))), logits(model), atol=2e-5, rtol=1e-4)


@pytest.mark.parametrize(
    ("change", "message"),
    [
        ({"activation_function": "relu"}, "activation_function"),
        ({"scale_attn_by_inverse_layer_idx": True}, "scale_attn_by_inverse_layer_idx"),
        ({"n_head": 5}, "multiple of n_head"),
        ({"n_layer": 0}, "layers"),
    ],
)
def test_other_networks_of_that_name_are_refused(pretrained, change, message):
    folder, model = pretrained
    if model.config.model_type != "gpt2":
        pytest.skip("of GPT-2 only")
    config = json.loads((folder / "config.json").read_text())
    (folder / "config.json").write_text(json.dumps({**config, **change}))
    with pytest.raises(ModelConfigError, match=message):
        open_source(folder)


def test_biases_go_to_gguf_and_come_back(tmp_path, pretrained):
    folder, model = pretrained
    kind = model.config.model_type
    if kind not in ("qwen2", "llama"):
        pytest.skip("of networks whose biases llama.cpp has")
    pytest.importorskip("gguf")
    run.quantize(open_source(folder), tmp_path / "out", QuantizeConfig(grid="int8", group=16, embedding="float32"))
    assert export(tmp_path / "out", tmp_path / "out.gguf").architecture == kind
    back = open_source(tmp_path / "out.gguf")
    assert back.hub_config["model_type"] == kind
    torch.testing.assert_close(logits(load_float(back)), logits(load(tmp_path / "out").network), atol=0.02, rtol=0.02)

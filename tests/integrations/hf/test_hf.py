"""transformers opens our directories, writes them back, quantizes while it loads, and trains through us."""

from __future__ import annotations

import json
import subprocess
import sys
from pathlib import Path

import pytest
import torch
from edits import edit_config, round_inputs

from pentanet.errors import ConfigError, ModelConfigError, ScaleError, UnknownKeyError
from pentanet.format.container import open_tensors
from pentanet.format.model_dir import open_model
from pentanet.ptq import run
from pentanet.ptq.config import QuantizeConfig
from pentanet.runtime.load import load
from pentanet.sources.open import open_source

transformers = pytest.importorskip("transformers")

from pentanet.integrations.hf import PentaNetConfig, use_engine  # noqa: E402
from pentanet.integrations.hf.modules import LatentLinear, PackedLinear  # noqa: E402

SMALL = {"width": 32, "heads": 2, "kv_heads": 1, "hidden": 40, "context": 32}
IDS = torch.tensor([[5, 9, 200, 3, 77, 12]])


@pytest.fixture(autouse=True)
def offline(monkeypatch):
    monkeypatch.setenv("HF_HUB_OFFLINE", "1")


def opened(path: Path, **settings):
    return transformers.AutoModelForCausalLM.from_pretrained(path, **settings)


@torch.inference_mode()
def logits(model) -> torch.Tensor:
    found = model(IDS)
    return getattr(found, "logits", found)


def stored(path: Path) -> tuple[object, ...]:
    """All of model.safetensors but the seal, which says what stands beside it."""
    file = open_tensors(path / "model.safetensors")
    return file.header.slots, file.header.digests, file.data.tobytes()


SHAPES = {
    "llama": {},
    "bitnet": {"sub_norms": True, "activation": "relu2"},
    "qwen3": {"qk_norm": True, "head_dim": 8},
    "mistral": {"window": 4},
    "tied": {"tie": True},
    "tied and plain": {"tie": True, "embedding": "bfloat16", "head": "bfloat16"},
    "bias": {"method": "tequila", "width": 128, "hidden": 128},
    "groups": {"method": "trilm"},
    "full precision": {"method": "full-precision", "embedding": "float32", "head": "float32"},
}


@pytest.mark.parametrize("name", SHAPES)
def test_directories_open_and_say_what_our_own_network_says(make, name):
    path = make(**{**SMALL, **SHAPES[name]})
    model = opened(path)
    torch.testing.assert_close(logits(model), logits(load(path).network), rtol=1e-4, atol=1e-5)


@pytest.mark.parametrize("name", SHAPES)
def test_saving_writes_the_same_bytes(make, tmp_path, name):
    path = make(**{**SMALL, **SHAPES[name]})
    opened(path).save_pretrained(tmp_path / "again")
    assert stored(tmp_path / "again") == stored(path)
    opened(tmp_path / "again").save_pretrained(tmp_path / "third")
    for file in ("model.safetensors", "config.json", "generation_config.json"):
        assert (tmp_path / "third" / file).read_bytes() == (tmp_path / "again" / file).read_bytes()
    before, after = (json.loads((p / "config.json").read_text()) for p in (path, tmp_path / "again"))
    assert after["quantization_config"] == before["quantization_config"]
    (tmp_path / "again" / "tokenizer.json").write_bytes((path / "tokenizer.json").read_bytes())
    torch.testing.assert_close(logits(load(tmp_path / "again").network), logits(load(path).network), rtol=0, atol=0)


def test_sums_of_ternary_matrices_open_too(make, tmp_path):
    path = make(**SMALL, method="full-precision", embedding="float32", head="float32")
    run.quantize(
        open_source(opened_source(path, tmp_path)), tmp_path / "planes", QuantizeConfig(method="ptqtp", group=8)
    )
    assert open_model(tmp_path / "planes").spec("model.layers.0.mlp.up_proj.weight").planes == 2
    model = opened(tmp_path / "planes")
    torch.testing.assert_close(logits(model), logits(load(tmp_path / "planes").network), rtol=1e-4, atol=1e-5)
    model.save_pretrained(tmp_path / "again")
    assert stored(tmp_path / "again") == stored(tmp_path / "planes")


def opened_source(path: Path, tmp_path: Path) -> Path:
    """A model of plain tensors as transformers itself saves it."""
    config = json.loads((path / "config.json").read_text())
    del config["quantization_config"]
    folder = tmp_path / "source"
    transformers.LlamaForCausalLM(transformers.LlamaConfig(**config)).save_pretrained(folder)
    (folder / "tokenizer.json").write_bytes((path / "tokenizer.json").read_bytes())
    return folder


def test_loading_says_nothing_of_missing_or_unexpected_tensors(make):
    _, info = transformers.AutoModelForCausalLM.from_pretrained(make(**SMALL, tie=True), output_loading_info=True)
    assert not any(info.values()), info


def test_rounded_activations_are_rounded_here_too(make):
    path = make(**SMALL)
    plain = logits(opened(path))
    round_inputs(path)
    rounded = logits(opened(path))
    assert not torch.equal(rounded, plain)
    torch.testing.assert_close(rounded, logits(load(path).network), rtol=1e-3, atol=1e-3)


def test_linears_can_multiply_in_the_engine(make):
    path = make(**SMALL)
    model = opened(path)
    plain = logits(model)
    assert use_engine(model) == 15
    rounded = logits(model)
    assert not torch.equal(rounded, plain)
    round_inputs(path)
    torch.testing.assert_close(rounded, logits(opened(path)), rtol=1e-3, atol=1e-3)
    assert use_engine(model, on=False) == 15
    assert torch.equal(logits(model), plain)


@pytest.fixture
def original(tmp_path: Path) -> Path:
    """A model of transformers itself: GPT-2's shape has no nn.Linear, Qwen2's has biases."""
    config = transformers.Qwen2Config(
        vocab_size=256, hidden_size=32, intermediate_size=40, num_hidden_layers=1, num_attention_heads=2,
        num_key_value_heads=1, max_position_embeddings=32, tie_word_embeddings=True,
    )  # fmt: skip
    torch.manual_seed(0)
    model = transformers.Qwen2ForCausalLM(config)
    torch.nn.init.normal_(model.model.layers[0].self_attn.q_proj.bias)
    model.save_pretrained(tmp_path / "original")
    return tmp_path / "original"


def test_a_model_is_quantized_while_it_loads(original, tmp_path):
    model = opened(original, quantization_config=PentaNetConfig("pentanary"))
    packed = [module for module in model.modules() if isinstance(module, PackedLinear)]
    assert len(packed) == 7
    layer = model.model.layers[0].self_attn.q_proj
    plain = opened(original).model.layers[0].self_attn.q_proj
    assert torch.equal(layer.weight_bias, plain.bias)
    error = (layer.matrix().all() - plain.weight).norm() / plain.weight.norm()
    assert 0.2 < error < 0.35  # of a Gaussian: 0.283
    model.save_pretrained(tmp_path / "packed")
    assert open_model(tmp_path / "packed").spec("model.layers.0.mlp.up_proj.weight").grid.name == "pentanary"
    torch.testing.assert_close(logits(opened(tmp_path / "packed")), logits(model), rtol=0, atol=0)


def test_the_trainer_trains_through_the_quantizer_and_saves_packed(original, tmp_path):
    pytest.importorskip("accelerate")
    model = opened(original, quantization_config=PentaNetConfig("ternary", trainable=True, activations="int8"))
    layer = model.model.layers[0].mlp.up_proj
    assert isinstance(layer, LatentLinear)
    before = layer.weight.detach().clone()
    data = [{"input_ids": row, "labels": row} for row in torch.randint(256, (8, 16))]
    arguments = transformers.TrainingArguments(
        str(tmp_path / "run"), max_steps=3, per_device_train_batch_size=4, learning_rate=1e-2, report_to=[],
        use_cpu=True, save_steps=3, disable_tqdm=True, logging_steps=1, dataloader_pin_memory=False,
    )  # fmt: skip
    trainer = transformers.Trainer(model=model, args=arguments, train_dataset=data)
    trainer.train()
    assert not torch.equal(layer.weight, before)
    model.eval()
    again = opened(tmp_path / "run" / "checkpoint-3")
    torch.testing.assert_close(logits(again), logits(model), rtol=1e-4, atol=1e-5)


@pytest.mark.parametrize("method", ["full-precision", "lsq-pentanary", "hgf", "quest-hadamard-ternary"])
def test_methods_that_need_more_than_weights_are_refused(method):
    with pytest.raises(ConfigError, match=f"method '{method}'"):
        PentaNetConfig(method)


def test_a_setting_that_there_is_not_is_refused():
    """`group` is one of `pentanet quantize`; here the method says what shares a scale."""
    with pytest.raises(UnknownKeyError, match="group"):
        PentaNetConfig("pentanary", group=64)
    config = PentaNetConfig("pentanary", trainable=True)
    assert PentaNetConfig.from_dict(config.to_dict()).to_dict() == config.to_dict()


def test_a_tensor_without_a_place_is_named(make):
    path = make(**SMALL)
    edit_config(path, num_hidden_layers=1)
    with pytest.raises(ModelConfigError, match=r"model\.layers\.1\.\w+\.\w+\.weight' has no place"):
        opened(path)


def test_scales_that_no_packer_writes_are_refused(make):
    model = opened(make(**SMALL))
    layer = model.model.layers[0].mlp.up_proj
    layer.weight_scale[0, 0] = float("nan")
    with pytest.raises(ScaleError, match="up_proj"):
        layer.unpack("up_proj")


PROGRAM = """
import sys
import pentanet
assert not {"torch", "numpy", "transformers"} & set(sys.modules)
import transformers
assert not {"torch", "pentanet.format"} & set(sys.modules)
model = transformers.AutoModelForCausalLM.from_pretrained(sys.argv[1])
print(type(model.model.layers[0].mlp.up_proj).__name__)
"""


@pytest.mark.slow
def test_importing_pentanet_is_all_that_transformers_needs(make):
    done = subprocess.run(
        [sys.executable, "-W", "error::UserWarning:pentanet", "-c", PROGRAM, make(**SMALL)],
        capture_output=True, text=True, check=False,
    )  # fmt: skip
    assert done.stdout == "PackedLinear\n", done.stderr

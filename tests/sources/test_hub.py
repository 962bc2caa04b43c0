"""A directory is read as it is, and each thing that is wrong with it has an error that names it."""

from __future__ import annotations

import json
import shutil

import pytest
import torch
from safetensors.torch import load_file, save_file

from pentanet.errors import (
    HeaderError,
    MissingFileError,
    MissingTensorError,
    ModelConfigError,
    NonFiniteWeightError,
    ShapeError,
    UnexpectedTensorError,
    UnsafeFileError,
    UnsupportedArchitectureError,
)
from pentanet.ptq.config import QuantizeConfig
from pentanet.ptq.run import quantize
from pentanet.sources.open import open_source

SHARD = "model-00002-of-00002.safetensors"


def change(folder, **changes):
    config = json.loads((folder / "config.json").read_text())
    (folder / "config.json").write_text(json.dumps({**config, **changes}))


@pytest.mark.parametrize("family", ["llama", "llama3", "qwen3"])
@pytest.mark.parametrize("shards", [1, 2])
def test_tensors_are_those_of_the_files(make, family, shards, configs, weights_of):
    source = open_source(make(family, shards=shards))
    weights = weights_of(configs[family])
    assert set(source.shapes) == set(weights)
    for name, values in weights.items():
        assert torch.equal(source.tensor(name), values)
        assert torch.equal(source.rows(name, 3, 7), values[3:7])


def test_bfloat16_becomes_float32(make, configs, weights_of):
    source = open_source(make("llama", dtype=torch.bfloat16))
    name = "model.layers.0.mlp.up_proj.weight"
    assert source.tensor(name).dtype == torch.float32
    assert torch.equal(source.tensor(name), weights_of(configs["llama"], torch.bfloat16)[name].float())


def test_what_a_config_leaves_unsaid_is_as_in_transformers(make, configs):
    folder = make("llama")
    whole = open_source(folder).config
    unsaid = ("rope_theta", "hidden_act", "initializer_range")
    (folder / "config.json").write_text(json.dumps({k: v for k, v in configs["llama"].items() if k not in unsaid}))
    assert open_source(folder).config == whole


def test_rotary_base_where_transformers_5_writes_it(make, configs):
    folder = make("llama")
    config = {key: value for key, value in configs["llama"].items() if key != "rope_theta"}
    config["rope_parameters"] = {"rope_type": "default", "rope_theta": 123456.0}
    (folder / "config.json").write_text(json.dumps(config))
    assert open_source(folder).config.rope_theta == 123456.0


def add(folder, **tensors):
    file = folder / "model.safetensors"
    save_file({**load_file(file), **tensors}, file)


def test_a_tied_network_with_two_matrices_is_not_tied(make, configs, weights_of):
    folder, embedding = make("llama"), weights_of(configs["llama"])["model.embed_tokens.weight"]
    add(folder, **{"lm_head.weight": embedding.clone()})
    assert open_source(folder).config.tie
    add(folder, **{"lm_head.weight": torch.cat([embedding[:-1], embedding[:1]])})
    source = open_source(folder)
    assert not source.config.tie
    assert source.hub_config["tie_word_embeddings"] is False
    assert torch.equal(source.tensor("lm_head.weight")[-1], embedding[0])


def test_one_file_beside_an_index_is_what_is_read(make, configs, weights_of):
    """As transformers does; the shards may be of a model that was there before, or gone."""
    folder, weights = make("llama", shards=2), weights_of(configs["llama"])
    save_file({name: 2 * values for name, values in weights.items()}, folder / "model.safetensors")
    name = "model.layers.0.mlp.up_proj.weight"
    assert torch.equal(open_source(folder).tensor(name), 2 * weights[name])
    (folder / SHARD).unlink()
    assert torch.equal(open_source(folder).tensor(name), 2 * weights[name])


@pytest.mark.parametrize("dtype", [torch.bool, torch.uint8])
def test_masks_among_the_weights_of_an_old_gpt2_are_ignored(make, dtype):
    folder = make("gpt2")
    shapes = open_source(folder).shapes
    add(folder, **{"transformer.h.0.attn.bias": torch.ones(1, 1, 16, 16, dtype=dtype).tril()})
    assert open_source(folder).shapes.keys() - shapes.keys() == {"transformer.h.0.attn.bias"}


def test_the_weights_of_linears_are_floats(make):
    folder = make("gpt2")
    add(folder, **{"transformer.h.0.attn.c_attn.bias": torch.ones(96, dtype=torch.uint8)})
    with pytest.raises(HeaderError, match=r"c_attn\.bias' is U8, expected one of F64"):
        open_source(folder)


def test_config_json_is_written_so_that_every_program_reads_it_alike(make):
    twice = {"rope_scaling": {"type": "linear", "factor": 4}, "rope_theta": 5e5, "layer_types": ["full_attention"] * 2}
    found = open_source(make("qwen3", **twice, rope_parameters={"rope_theta": 9.0}, use_sliding_window=True)).hub_config
    assert found["rope_theta"] == 5e5
    assert found["rope_scaling"] == {"rope_type": "linear", "factor": 4.0}
    assert (found["use_sliding_window"], found["sliding_window"]) == (False, None)
    assert found.keys().isdisjoint({"rope_parameters", "layer_types"})


@pytest.mark.parametrize("text", ["1e999", "-1e999", "Infinity"])
def test_a_number_that_no_float_holds(make, text):
    """Also under a key that nobody reads: it would be written on, and JSON has no word for it."""
    folder = make("llama")
    file = folder / "config.json"
    file.write_text(file.read_text().rstrip().removesuffix("}") + f', "other": {text}}}')
    with pytest.raises(ModelConfigError, match=r"config\.json: -?(1e999 is too large a number|Infinity is not JSON)"):
        open_source(folder)


def test_missing_shard(make):
    folder = make("llama", shards=2)
    (folder / SHARD).unlink()
    with pytest.raises(MissingFileError, match=SHARD):
        open_source(folder)


def test_index_names_a_tensor_that_is_not_there(make):
    folder = make("llama", shards=2)
    index = folder / "model.safetensors.index.json"
    where = json.loads(index.read_text())
    where["weight_map"]["model.norm.weight"] = "model-00001-of-00002.safetensors"
    where["weight_map"]["more.weight"] = SHARD
    index.write_text(json.dumps(where))
    with pytest.raises(MissingTensorError, match="index"):
        open_source(folder)


def test_index_leaves_a_tensor_out(make):
    folder = make("llama", shards=2)
    index = folder / "model.safetensors.index.json"
    where = json.loads(index.read_text())
    del where["weight_map"]["model.norm.weight"]
    index.write_text(json.dumps(where))
    with pytest.raises(MissingTensorError, match=r"model\.norm\.weight"):
        open_source(folder)


@pytest.mark.parametrize("content", ["[]", "{}", '{"weight_map": {"a": "../other.safetensors"}}', "{"])
def test_index_that_is_none(make, content):
    folder = make("llama", shards=2)
    (folder / "model.safetensors.index.json").write_text(content)
    with pytest.raises(HeaderError, match=r"index\.json"):
        open_source(folder)


def test_unknown_architecture_names_the_known_ones(make):
    with pytest.raises(UnsupportedArchitectureError, match=r"mamba.*llama, mistral, qwen2, qwen3, gpt2"):
        open_source(make(model_type="mamba"))


def test_a_packed_model_is_no_source(make, tmp_path):
    """The word is not about its bytes, which are no floats."""
    quantize(open_source(make()), tmp_path / "q", QuantizeConfig(group=16))
    with pytest.raises(UnsupportedArchitectureError, match="quantized already"):
        open_source(tmp_path / "q")


@pytest.mark.parametrize("name", ["model.norm.weight", "model.layers.1.mlp.up_proj.weight"])
@pytest.mark.parametrize("value", [float("nan"), float("inf"), float("-inf")])
def test_a_weight_that_is_not_finite(make, name, value, configs, weights_of):
    folder = make()
    weights = weights_of(configs["llama"])
    weights[name][-1] = value
    save_file(weights, folder / "model.safetensors")
    source = open_source(folder)
    assert torch.equal(source.rows(name, 0, 4), weights[name][:4])
    with pytest.raises(NonFiniteWeightError, match=f"model.safetensors: tensor '{name}'"):
        source.tensor(name)


def test_quantized_already(make):
    with pytest.raises(UnsupportedArchitectureError, match="quantized already"):
        open_source(make(quantization_config={"quant_method": "awq"}))


@pytest.mark.parametrize(
    ("changes", "error", "message"),
    [
        ({"hidden_size": 64}, ShapeError, "32"),
        ({"vocab_size": 271}, ShapeError, "271"),
        ({"num_hidden_layers": 3}, MissingTensorError, r"layers\.2"),
        ({"num_hidden_layers": 1}, UnexpectedTensorError, r"layers\.1"),
        ({"num_hidden_layers": 10**9}, ModelConfigError, "layers"),
        ({"max_position_embeddings": 10**12}, ModelConfigError, "context"),
        ({"num_attention_heads": 5}, ModelConfigError, "heads"),
        ({"vocab_size": -1}, ModelConfigError, "vocab_size"),
        ({"hidden_act": "gelu"}, ModelConfigError, "hidden_act"),
        ({"tie_word_embeddings": False}, MissingTensorError, "lm_head"),
    ],
)
def test_config_that_lies(make, changes, error, message):
    with pytest.raises(error, match=message):
        open_source(make(**changes))


def test_truncated_file(make):
    folder = make()
    file = folder / "model.safetensors"
    file.write_bytes(file.read_bytes()[:-100])
    with pytest.raises(HeaderError, match=r"model\.safetensors"):
        open_source(folder)


def test_no_weights(make):
    folder = make()
    (folder / "model.safetensors").unlink()
    with pytest.raises(MissingFileError, match="safetensors"):
        open_source(folder)


def test_no_directory(tmp_path):
    with pytest.raises(MissingFileError):
        open_source(tmp_path / "nothing")


class Evil:
    """Leaves a file behind where a pickle runs code."""

    def __init__(self, path):
        self.path = path

    def __reduce__(self):
        return shutil.copyfile, (str(self.path), str(self.path) + ".ran")


def test_pickles_are_refused_and_never_run_code(make, configs, weights_of):
    folder = make()
    (folder / "model.safetensors").unlink()
    torch.save(weights_of(configs["llama"]), folder / "pytorch_model.bin")
    with pytest.raises(UnsafeFileError, match="--allow-pickle"):
        open_source(folder)
    allowed = open_source(folder, allow_pickle=True)
    assert torch.equal(allowed.tensor("model.norm.weight"), weights_of(configs["llama"])["model.norm.weight"])
    torch.save({"a": Evil(folder / "config.json")}, folder / "pytorch_model.bin")
    with pytest.raises(HeaderError, match="cannot be read"):
        open_source(folder, allow_pickle=True)
    assert not (folder / "config.json.ran").exists()


@pytest.mark.parametrize("said", [{"model_type": "bitnet"}, {"quantization_config": {"quant_method": "bitnet"}}])
def test_bitnet_is_sent_to_import(make, said):
    folder = make()
    change(folder, **said)
    with pytest.raises(UnsupportedArchitectureError, match="`pentanet import` takes them"):
        open_source(folder)

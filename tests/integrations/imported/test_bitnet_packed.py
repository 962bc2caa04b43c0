"""Packed BitNet weights keep their levels, and mean what transformers makes of them."""

from __future__ import annotations

import json
from pathlib import Path

import numpy as np
import pytest
import torch
from safetensors.torch import load_file, save_file

from pentanet.errors import FormatError, MissingTensorError, ShapeError
from pentanet.format.model_dir import open_model
from pentanet.integrations.imported.bitnet_packed import unpack_rows
from pentanet.integrations.imported.run import import_model

UP = "model.layers.0.mlp.up_proj.weight"


def test_what_lies_beside_the_weights_comes_along(packed_bitnet, tmp_path):
    packed_bitnet()
    beside = {"tokenizer_config.json": '{"chat_template": "x"}', "generation_config.json": "{}", "LICENSE": "terms"}
    for name, content in beside.items():
        (tmp_path / "bitnet" / name).write_text(content)
    (tmp_path / "bitnet" / "README.md").write_text("---\nlicense: mit\n---\n")
    import_model(tmp_path / "bitnet", tmp_path / "out")
    for name, content in beside.items():
        assert (tmp_path / "out" / name).read_text() == content
    card = (tmp_path / "out" / "README.md").read_text()
    assert 'license: "mit"' in card and "imported without rounding" in card


@pytest.mark.parametrize("linear_class", ["autobitlinear", "bitlinear"])
def test_packed_bitnet_keeps_its_levels_and_its_meaning_of_the_scale(packed_bitnet, tmp_path, linear_class):
    levels = packed_bitnet("2b4t", linear_class)
    import_model(tmp_path / "bitnet", tmp_path / "out")
    packed = open_model(tmp_path / "out")
    assert packed.activations == "int8"
    for name, expected in levels.items():
        codes = packed.codes(name)
        np.testing.assert_array_equal(codes.levels, expected)
        assert codes.scales.tolist() == [[0.25]]
    assert packed.spec("model.embed_tokens.weight").storage == "bfloat16"


@pytest.mark.parametrize("linear_class", ["autobitlinear", "bitlinear"])
def test_transformers_says_the_same_of_the_checkpoint(packed_bitnet, tmp_path, monkeypatch, linear_class):
    transformers = pytest.importorskip("transformers")
    pytest.importorskip("transformers.integrations.bitnet")  # imported here: it warns, and warnings are errors
    pytest.importorskip("accelerate")
    monkeypatch.setenv("HF_HUB_OFFLINE", "1")
    packed_bitnet("2b4t", linear_class)
    import_model(tmp_path / "bitnet", tmp_path / "out")
    with torch.inference_mode(), torch.compiler.set_stance("force_eager"):
        theirs = transformers.AutoModelForCausalLM.from_pretrained(tmp_path / "bitnet", dtype=torch.float32)
        ours = transformers.AutoModelForCausalLM.from_pretrained(tmp_path / "out", dtype=torch.float32)
        ids = torch.tensor([[3, 5, 7, 60]])
        torch.testing.assert_close(ours(ids).logits, theirs(ids).logits, rtol=1e-2, atol=1e-2)


@pytest.mark.parametrize(
    ("name", "value", "error"),
    [
        (UP, None, MissingTensorError),
        (f"{UP}_scale", None, MissingTensorError),
        (UP, torch.zeros(3, 32, dtype=torch.uint8), ShapeError),
        (UP, torch.full((12, 32), 0xFF, dtype=torch.uint8), FormatError),
        (UP, torch.zeros(12, 32), FormatError),
        (f"{UP}_scale", torch.zeros(2), ShapeError),
        (f"{UP}_scale", torch.zeros(1), FormatError),
        ("model.norm.weight", torch.zeros(3), ShapeError),
    ],
)
def test_damaged_checkpoints_are_refused(packed_bitnet, tmp_path, name, value, error):
    packed_bitnet()
    file = tmp_path / "bitnet" / "model.safetensors"
    state = load_file(file)
    del state[name]
    save_file(state | ({} if value is None else {name: value}), file)
    with pytest.raises(error, match=r"up_proj|norm"):
        import_model(tmp_path / "bitnet", tmp_path / "out")
    assert not (tmp_path / "out").exists()


@pytest.mark.parametrize("same", [True, False])
def test_a_tied_network_with_two_matrices_is_not_tied(packed_bitnet, tmp_path, same):
    packed_bitnet()
    file = tmp_path / "bitnet" / "model.safetensors"
    state = load_file(file)
    embedding = state["model.embed_tokens.weight"]
    state["lm_head.weight"] = embedding.clone() if same else embedding.flip(0)
    save_file(state, file)
    import_model(tmp_path / "bitnet", tmp_path / "out")
    packed = open_model(tmp_path / "out")
    assert packed.config["tie_word_embeddings"] == same
    assert ("lm_head.weight" in packed.names) == (not same)


def test_shards_with_an_index_are_read(packed_bitnet, tmp_path):
    levels = packed_bitnet()
    folder = tmp_path / "bitnet"
    state = load_file(folder / "model.safetensors")
    (folder / "model.safetensors").unlink()
    where: dict[str, str] = {}
    for i, name in enumerate(sorted(state)):
        where[name] = f"model-{1 + i % 2}.safetensors"
    for file in set(where.values()):
        save_file({name: state[name] for name in state if where[name] == file}, folder / file)
    (folder / "model.safetensors.index.json").write_text(json.dumps({"weight_map": where}))
    import_model(folder, tmp_path / "out")
    packed = open_model(tmp_path / "out")
    for name, expected in levels.items():
        np.testing.assert_array_equal(packed.codes(name).levels, expected)


def test_falcon_e_as_published(packed_bitnet, tmp_path):
    # A Llama, whose section names the head and nothing of modes; the scale divides.
    levels = packed_bitnet(
        "falcon-e", "bitlinear", linear_class=None, quantization_mode=None, modules_to_not_convert=["lm_head"]
    )
    found = import_model(tmp_path / "bitnet", tmp_path / "out")
    assert "divided" in found.kind
    packed = open_model(tmp_path / "out")
    assert packed.config["model_type"] == "llama"
    for name, expected in levels.items():
        np.testing.assert_array_equal(packed.codes(name).dequantize(), expected * np.float32(0.25))


def test_a_linear_that_is_said_to_be_in_floats_is_refused(packed_bitnet, tmp_path):
    packed_bitnet(modules_to_not_convert=["q_proj"])
    with pytest.raises(FormatError, match="modules_to_not_convert"):
        import_model(tmp_path / "bitnet", tmp_path / "out")


def test_the_bits_are_those_of_transformers():
    bits = pytest.importorskip("transformers.integrations.bitnet")
    levels = torch.randint(-1, 2, (24, 5), generator=torch.Generator().manual_seed(1))
    packed = bits.pack_weights(levels.clone())
    np.testing.assert_array_equal(unpack_rows(packed.numpy(), "x", Path()), levels.numpy())

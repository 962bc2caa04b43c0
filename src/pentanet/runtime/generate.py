"""Sample text from a packed model."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from typing import Protocol

import numpy as np
from numpy.typing import NDArray
from tokenizers import Tokenizer

from pentanet.data.tokenizer import StreamDecoder, eos_id
from pentanet.errors import ConfigError, EmptyTextError
from pentanet.runtime.sampling import Sampling, sample


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

    def next_logits(self, ids: Sequence[int]) -> NDArray[np.float32]:
        """Logits [vocab] after the last of `ids`, at least one and at most `context` tokens."""
        ...


def generate(model: Predictor, prompt: str, tokens: int = 100, sampling: Sampling | None = None) -> Iterator[str]:
    """Continue `prompt` by up to `tokens` tokens, in pieces of whole characters as they come.

    The window slides when the context is full.  Ends early at the end-of-text token.

    Raises:
        ConfigError: fewer than one token is asked for.
        EmptyTextError: an empty prompt, and the tokenizer has no end-of-text token to start from.
    """
    ids = start_ids(model.tokenizer, prompt, tokens)
    return _stream(model, ids, tokens, sampling or Sampling(), eos_id(model.tokenizer))


def start_ids(tokenizer: Tokenizer, prompt: str, tokens: int) -> list[int]:
    """The ids that a text of `tokens` more starts from.

    Raises:
        ConfigError, EmptyTextError: as `generate`.
    """
    if tokens < 1:
        raise ConfigError(f"tokens {tokens}: must be at least 1")
    ids: list[int] = tokenizer.encode(prompt, add_special_tokens=False).ids
    if ids:
        return ids
    eos = eos_id(tokenizer)
    if eos is None:
        raise EmptyTextError("the prompt is empty, and the tokenizer has no end-of-text token to start from")
    return [eos]


def _stream(model: Predictor, ids: list[int], tokens: int, sampling: Sampling, eos: int | None) -> Iterator[str]:
    draws = sampling.generator()
    decoder = StreamDecoder(model.tokenizer)
    ids = list(ids)
    for _ in range(tokens):
        token = sample(model.next_logits(ids[-model.context :]), sampling, draws, ids)
        if token == eos:
            break
        ids.append(token)
        if piece := decoder.push(token):
            yield piece
    if rest := decoder.finish():
        yield rest

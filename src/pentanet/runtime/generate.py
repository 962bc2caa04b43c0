"""Sample text from a packed model."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from typing import Protocol

import numpy as np
from numpy.typing import NDArray
from tokenizers import Tokenizer

from pentanet.data.tokenizer import StreamDecoder, require_text
from pentanet.errors import ConfigError, EmptyTextError
from pentanet.runtime.endings import Endings, until
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

    @property
    def endings(self) -> Endings:
        """The ids that a text begins with, and those that end it."""
        ...

    def next_logits(self, ids: Sequence[int]) -> NDArray[np.float32]:
        """Logits [vocab] after the last of `ids`, at least one and at most `context` tokens."""
        ...


def generate(
    model: Predictor,
    prompt: str | Sequence[int],
    tokens: int = 100,
    sampling: Sampling | None = None,
    *,
    stops: Sequence[str] = (),
) -> Iterator[str]:
    """Continue `prompt` by up to `tokens` tokens, in pieces of whole characters as they come.

    The window slides when the context is full.  Ends early at a token that ends a text of this model.

    Args:
        prompt: a text, which begins with what the tokenizer's template puts first; or ids, taken as they are.
        stops: strings that end the text too, and are not part of it.

    Raises:
        ConfigError: fewer than one token is asked for, or an empty stop string.
        EmptyTextError: an empty prompt, and the tokenizer has no end-of-text token to start from.
        EncodingError: a prompt that is not UTF-8.
        NonFiniteActivationError: the engine meets an activation that is NaN or infinite.
    """
    if "" in stops:
        raise ConfigError("an empty stop string would end every text at once")
    ids = start_ids(model.tokenizer, prompt, tokens, model.endings)
    pieces = _stream(model, ids, tokens, sampling or Sampling(), model.endings.stops)
    return until(pieces, stops) if stops else pieces


def start_ids(tokenizer: Tokenizer, prompt: str | Sequence[int], tokens: int, endings: Endings) -> list[int]:
    """The ids that a text of `tokens` more starts from.

    Raises:
        ConfigError, EmptyTextError, EncodingError: as `generate`.
    """
    if tokens < 1:
        raise ConfigError(f"tokens {tokens}: must be at least 1")
    if isinstance(prompt, str):
        require_text(prompt, "the prompt")
        ids = [*endings.start, *tokenizer.encode(prompt, add_special_tokens=False).ids]
    else:
        ids = list(prompt)
    if ids:
        return ids
    if not endings.stops:
        raise EmptyTextError("the prompt is empty, and the tokenizer has no end-of-text token to start from")
    return [min(endings.stops)]  # of several, the end of a document has the lowest id: those of chats came later


def _stream(model: Predictor, ids: list[int], tokens: int, sampling: Sampling, stops: frozenset[int]) -> Iterator[str]:
    draws = sampling.generator()
    decoder = StreamDecoder(model.tokenizer)
    ids = list(ids)
    for _ in range(tokens):
        token = sample(model.next_logits(ids[-model.context :]), sampling, draws, ids)
        if token in stops:
            break
        ids.append(token)
        if piece := decoder.push(token):
            yield piece
    if rest := decoder.finish():
        yield rest

"""Continue a text token by token, with any model that predicts the next one."""

from __future__ import annotations

import math
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from typing import Literal, Protocol

import numpy as np
from numpy.typing import NDArray
from tokenizers import Tokenizer

from pentanet.data.tokenizer import StreamDecoder, require_text
from pentanet.errors import ConfigError, EmptyTextError
from pentanet.runtime.chat import ChatTemplate
from pentanet.runtime.endings import Endings, StopStrings
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

    def chat_template(self) -> ChatTemplate:
        """How a chat becomes a text."""
        ...


@dataclass(frozen=True, kw_only=True, slots=True)
class Token:
    """One token that a model wrote.

    Attributes:
        id: of the token.
        text: the characters that it completes; "" within a character, and while the text may be the beginning of a stop
            string. The texts of all tokens are the text.
        logprob: natural logarithm of the probability that the model gave it, before temperature, penalty and filters.
        end: why the text ends here: "length" (as many as were asked for), "token" (this one ends a text of the model,
            and is no part of it), "string" (a stop string); "" where it goes on.
    """

    id: int
    text: str
    logprob: float
    end: Literal["", "length", "token", "string"] = ""


def stream(
    model: Predictor,
    prompt: str | Sequence[int],
    tokens: int = 100,
    sampling: Sampling | None = None,
    *,
    stops: Sequence[str] = (),
) -> Iterator[Token]:
    """Continue `prompt` by up to `tokens` tokens, one at a time.

    The window slides when the context is full.  Ends early at a token that ends a text of this model.

    Args:
        model: what predicts.
        prompt: a text, which begins with what the tokenizer's template puts first; or ids, taken as they are.
        tokens: how many at most.
        sampling: how they are drawn.
        stops: strings that end the text too, and are not part of it.

    Raises:
        ConfigError: fewer than one token is asked for, or an empty stop string.
        EmptyTextError: an empty prompt, and the tokenizer has no end-of-text token to start from.
        EncodingError: a prompt that is not UTF-8.
        NonFiniteActivationError: the engine meets an activation that is NaN or infinite.
    """
    ids = start_ids(model.tokenizer, prompt, tokens, model.endings)
    return _stream(model, ids, tokens, sampling or Sampling(), StopStrings(stops))


def start_ids(tokenizer: Tokenizer, prompt: str | Sequence[int], tokens: int, endings: Endings) -> list[int]:
    """The ids that a text of `tokens` more starts from.

    Raises:
        ConfigError, EmptyTextError, EncodingError: as `stream`.
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


def _stream(model: Predictor, ids: list[int], tokens: int, sampling: Sampling, stops: StopStrings) -> Iterator[Token]:
    draws, decoder, ends = sampling.generator(), StreamDecoder(model.tokenizer), model.endings.stops
    ids = list(ids)
    for left in reversed(range(tokens)):
        logits = model.next_logits(ids[-model.context :])
        token = sample(logits, sampling, draws, ids)
        ids.append(token)
        logprob = _log_probability(logits, token)
        text = "" if token in ends else stops.push(decoder.push(token))
        if token in ends or left == 0:
            text += stops.push(decoder.finish()) + stops.finish()
        end = "string" if stops.met else "token" if token in ends else "" if left else "length"
        yield Token(id=token, text=text, logprob=logprob, end=end)
        if end:
            return


def _log_probability(logits: NDArray[np.float32], token: int) -> float:
    values = logits - logits.max()
    return float(values[token]) - math.log(float(np.exp(values).sum(dtype=np.float64)))

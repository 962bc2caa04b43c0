"""Several texts at once, each as it would be alone."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np
from tokenizers import Tokenizer

from pentanet.data.tokenizer import StreamDecoder
from pentanet.runtime.endings import Endings
from pentanet.runtime.forward import forward
from pentanet.runtime.sampling import Sampling, sample
from pentanet.runtime.stream import start_ids
from pentanet.runtime.turn import Turn

if TYPE_CHECKING:
    from pentanet._native import Session


@dataclass(slots=True)
class _Text:
    place: int  # in the session, and among the prompts
    ids: list[int]
    decoder: StreamDecoder
    draws: np.random.Generator
    new: list[int]  # tokens that the session has not seen


def stream_batch(
    session: Session,
    turn: Turn,
    tokenizer: Tokenizer,
    endings: Endings,
    context: int,
    prompts: Sequence[str],
    tokens: int,
    sampling: Sampling,
) -> Iterator[tuple[int, str]]:
    """Continue prompts by up to `tokens` tokens each: (index of the prompt, piece of whole characters) as they come.

    Args:
        session: has no fewer sequences than there are prompts, all of them empty.
        turn: taken around each call of the session.
        tokenizer, endings, context: of the model.
        prompts, tokens, sampling: each text has its own draws from the same seed.

    Raises:
        ConfigError, EmptyTextError, EncodingError, NonFiniteActivationError: as `generate`.
    """
    starts = [start_ids(tokenizer, prompt, tokens, endings) for prompt in prompts]
    texts = [
        _Text(place, ids, StreamDecoder(tokenizer), sampling.generator(), ids[-context:])
        for place, ids in enumerate(starts)
    ]
    return _stream(session, turn, texts, endings.stops, context, tokens, sampling)


def _stream(
    session: Session,
    turn: Turn,
    texts: list[_Text],
    stops: frozenset[int],
    context: int,
    tokens: int,
    sampling: Sampling,
) -> Iterator[tuple[int, str]]:
    for left in reversed(range(tokens)):
        if not texts:
            return
        new = np.array([token for text in texts for token in text.new], np.int32)
        with turn:
            logits = forward(session, new, [(text.place, len(text.new)) for text in texts])
        ended: list[_Text] = []
        for text, row in zip(texts, logits, strict=True):
            token = sample(row, sampling, text.draws, text.ids)
            piece = "" if token in stops else text.decoder.push(token)
            if token in stops or left == 0:
                ended.append(text)
                piece += text.decoder.finish()
            if piece:
                yield text.place, piece
            text.ids.append(token)
            text.new = [token]
            if session.length(text.place) == context:  # the window slides: what it has now stands at other positions
                session.truncate(0, text.place)
                text.new = text.ids[-context:]
        texts = [text for text in texts if text not in ended]

"""Perplexity on a whole text file, with a window that slides over it.

The first window predicts all of its tokens; each next one starts `stride` tokens later and predicts the last `stride`,
which have at least `context` - `stride` tokens before them.  So every token but the first is predicted exactly once.
A stride as long as the context makes windows that stand side by side, which is what papers on quantization report.

Where the tokenizer's template puts a BOS before a text, each window begins with it, and has that much less room: to the
model a window is a text of its own, as the windows were that it was trained on.  Its own prediction of the first token
is not counted, so that models with a BOS and without are measured on the same tokens.
"""

from __future__ import annotations

import math
import time
from collections.abc import Callable, Iterator
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

import torch
import torch.nn.functional as F
from tokenizers import Tokenizer
from torch import Tensor, nn

from pentanet.data.texts import whole_text
from pentanet.data.tokenizer import template_start
from pentanet.errors import ConfigError, TextTooShortError, TokenizerMismatchError
from pentanet.evaluation.finite import require_finite
from pentanet.evaluation.start import Started, room
from pentanet.nn.precision import Precision, autocast


@dataclass(frozen=True, kw_only=True, slots=True)
class Text:
    """A tokenized text.

    Attributes:
        name: of the file.
        ids: int64 [tokens].
        nbytes: UTF-8 bytes that the tokens stand for.
        start: what each window begins with.
    """

    name: str
    ids: Tensor
    nbytes: int
    start: tuple[int, ...] = ()


@dataclass(frozen=True, kw_only=True, slots=True)
class SlidingEvaluation:
    """A measurement.

    Attributes:
        loss: mean over the predicted tokens, in nats.
        perplexity: exp(loss); depends on the tokenizer.
        bits_per_byte: loss in bits per byte of the text; does not.
        tokens: how many were predicted.
        context: longest window in tokens.
        stride: how far the window moves.
        start: ids that each window begins with, which count to `context`.
        precision: of the matrix products.
    """

    data: str
    loss: float
    perplexity: float
    bits_per_byte: float
    tokens: int
    context: int
    stride: int
    start: tuple[int, ...]
    precision: str
    seconds: float

    def to_dict(self) -> dict[str, Any]:
        """The fields as JSON can hold them."""
        return asdict(self)


def read_text(path: str | Path, tokenizer: Tokenizer, *, limit: int = 0, bos: bool = True) -> Text:
    """Tokenize a text file as it stands, without tokens at its end.

    Args:
        path: a UTF-8 text, which may be packed (.xz, .gz, .bz2).
        tokenizer: of the model.
        limit: take the first so many tokens only; 0 takes all.
        bos: let each window begin as the tokenizer's template says; False for no token that the text has not.

    Raises:
        MissingFileError, DataError: no such file, or not one of text.
        TextTooShortError: less than two tokens.
    """
    path = Path(path)
    text = whole_text(path)
    ids: list[int] = tokenizer.encode(text, add_special_tokens=False).ids
    nbytes = len(text.encode())
    if limit and limit < len(ids):
        ids = ids[:limit]
        nbytes = len(tokenizer.decode(ids, skip_special_tokens=False).encode())
    if len(ids) < 2:
        raise TextTooShortError(f"{path}: {len(ids)} tokens; at least 2 are needed to predict one")
    start = template_start(tokenizer) if bos else ()
    return Text(name=path.name, ids=torch.tensor(ids), nbytes=nbytes, start=start)


def windows(tokens: int, context: int, stride: int) -> Iterator[tuple[int, int, int]]:
    """Start, stop and number of predicted targets of each window: inputs start..stop-1, targets one further."""
    stop = min(context, tokens - 1)
    yield 0, stop, stop
    while stop < tokens - 1:
        last, stop = stop, min(stop + stride, tokens - 1)
        yield max(0, stop - context), stop, stop - last


@torch.inference_mode()
def evaluate_text(
    network: nn.Module,
    text: Text,
    *,
    context: int,
    stride: int = 0,
    precision: Precision = "float32",
    progress: Callable[[int], None] | None = None,
) -> SlidingEvaluation:
    """Measure a network on a text.

    Args:
        network: ids [B, T] -> logits [B, T, vocab], in evaluation mode.
        text: its tokens.
        context: longest window in tokens.
        stride: how far the window moves; 0 for side by side, as for `context`.
        precision: of the matrix products.
        progress: told the number of tokens so far.

    Raises:
        ConfigError: a stride that is longer than the context, or sizes below 1.
        TokenizerMismatchError: a token that the network does not have.
        NonFiniteActivationError: the loss is NaN or infinite.
    """
    stride = stride or context
    if context < 1 or not 1 <= stride <= context:
        raise ConfigError(f"context {context} with stride {stride}: expected 1 <= stride <= context")
    length = room(context, text.start)
    stride, network = min(stride, length), Started(network, text.start)
    total, count, started = 0.0, 0, time.monotonic()
    for start, stop, scored in windows(len(text.ids), length, stride):
        with autocast(torch.device("cpu"), precision):
            logits = network(text.ids[None, start:stop])[0, -scored:].float()
        targets = text.ids[stop + 1 - scored : stop + 1]
        if int(targets.max()) >= logits.shape[-1]:
            raise TokenizerMismatchError(f"{text.name}: token {int(targets.max())} of {logits.shape[-1]} in the model")
        total += float(F.cross_entropy(logits, targets, reduction="none").double().sum())
        require_finite(total, f"the loss on '{text.name}' up to token {stop}")
        count += scored
        if progress is not None:
            progress(count)
    loss = total / count
    return SlidingEvaluation(
        data=text.name,
        loss=loss,
        perplexity=math.exp(min(loss, 700.0)),
        bits_per_byte=loss / math.log(2) * len(text.ids) / text.nbytes,
        tokens=count,
        context=context,
        stride=stride,
        start=text.start,
        precision=precision,
        seconds=round(time.monotonic() - started, 3),
    )

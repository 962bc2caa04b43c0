"""Sample text from a model."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from pathlib import Path

from pentanet.runtime.predictor import open_predictor
from pentanet.runtime.sampling import Sampling
from pentanet.runtime.stream import Predictor, stream


def generate(
    model: Predictor | str | Path,
    prompt: str | Sequence[int],
    tokens: int = 100,
    sampling: Sampling | None = None,
    *,
    stops: Sequence[str] = (),
) -> Iterator[str]:
    """Continue `prompt` by up to `tokens` tokens, in pieces of whole characters as they come.

    Args:
        model: a model directory, which the native engine runs, or torch where the engine was not compiled or does not
            know the model; or an open `Engine` or `Runtime`.
        prompt: text, or token ids.
        tokens: how many to write at most.
        sampling: how tokens are drawn.
        stops: strings that end the text.  `pentanet.runtime.stream.stream` has the details of these four.

    Raises:
        EngineError, FormatError, TokenizerMismatchError: as `pentanet.runtime.predictor.open_predictor`.
        ConfigError, EmptyTextError, EncodingError, NonFiniteActivationError: as `pentanet.runtime.stream.stream`.
    """
    predictor = open_predictor(model) if isinstance(model, str | Path) else model
    return (token.text for token in stream(predictor, prompt, tokens, sampling, stops=stops) if token.text)

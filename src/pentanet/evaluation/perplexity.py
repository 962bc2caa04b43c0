"""Loss, perplexity and bits per byte of a packed model."""

from __future__ import annotations

import hashlib
import math
import time
from collections.abc import Callable
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any, cast

import torch

from pentanet.atomic import write_file
from pentanet.data.cache import cache_dir, open_or_prepare
from pentanet.data.dataset import TOKENIZER, Dataset
from pentanet.data.prepare import Eos
from pentanet.data.tokenizer import template_start
from pentanet.errors import DataError
from pentanet.evaluation.finite import require_finite
from pentanet.evaluation.start import Started, room
from pentanet.nn.precision import Precision, resolve_precision
from pentanet.runtime.load import Runtime
from pentanet.sources.running import open_runtime
from pentanet.training.loss import mean_loss, validation_batches


@dataclass(frozen=True, kw_only=True, slots=True)
class Evaluation:
    """A measurement.

    Attributes:
        loss: mean over tokens, in nats.
        perplexity: exp(loss); depends on the tokenizer.
        bits_per_byte: loss in bits per byte of the text; does not.
        tokens: how many were predicted.
        context: windows stand side by side, each this long at most; nothing is carried over.
        start: ids that each window begins with, which count to `context`.
        precision: of the matrix products.
    """

    data: str
    split: str
    loss: float
    perplexity: float
    bits_per_byte: float
    tokens: int
    context: int
    start: tuple[int, ...]
    precision: str
    seconds: float

    def to_dict(self) -> dict[str, Any]:
        """The fields as JSON can hold them."""
        return asdict(self)


def text_of(runtime: Runtime, data: str, eos: str, precision: str) -> tuple[str, Eos, Precision]:
    """Corpus, end-of-text mode and precision of a measurement; what is empty or "auto" is as in training.

    Raises:
        DataError: no text is named, and the model does not say what it was trained on.
    """
    found: object = runtime.config.get("training_data")
    training = cast("dict[str, object]", found) if isinstance(found, dict) else {}
    source = data or training.get("source")
    if not isinstance(source, str) or not source:
        raise DataError(f"{runtime.path}: does not say what it was trained on; name a text with --text")
    mode = eos or training.get("eos") or "document"
    return source, cast("Eos", mode), resolve_precision(precision)


def tokenizer_file(runtime: Runtime) -> Path:
    """The tokenizer.json of a model; of an original, which may be a single file, a copy in the cache."""
    if runtime.files is None:
        return runtime.path / TOKENIZER
    content = runtime.tokenizer.to_str().encode()
    file = cache_dir() / "tokenizers" / f"{hashlib.sha256(content).hexdigest()[:16]}.json"
    if not file.exists():
        file.parent.mkdir(parents=True, exist_ok=True)
        write_file(file, content)
    return file


def evaluate(
    runtime: Runtime | str | Path,
    dataset: Dataset | None = None,
    split: str = "valid",
    *,
    limit: int = 0,
    bos: bool = True,
    precision: Precision = "float32",
    progress: Callable[[int], None] | None = None,
) -> Evaluation:
    """Measure a packed model on every token of a split but the first.

    Args:
        runtime: the model, or its path: packed ones run as in training then, and originals in float32.
        dataset: tokens; None for those that the model was trained on.
        limit: read only this many tokens from the start of the split (to a whole batch); 0 for all.
        bos: let each window begin as the tokenizer's template says; False for no token that the dataset has not.
        progress: told the number of tokens so far.

    Raises:
        TokenizerMismatchError: the dataset was made with another tokenizer.
        DataError: no tokens are given, and the model does not say what it was trained on.
        NonFiniteActivationError: the loss is NaN or infinite.
    """
    runtime = runtime if isinstance(runtime, Runtime) else open_runtime(runtime)
    if dataset is None:
        source, eos, _ = text_of(runtime, "", "", precision)
        dataset = open_or_prepare(source, str(tokenizer_file(runtime)), eos)
    dataset.require_tokenizer(runtime.tokenizer, str(runtime.path))
    start = template_start(runtime.tokenizer) if bos else ()
    batches = validation_batches(dataset, split, room(runtime.context, start), limit)
    started = time.monotonic()
    loss, tokens = mean_loss(Started(runtime.network, start).eval(), batches, torch.device("cpu"), precision, progress)
    require_finite(loss, f"{runtime.path}: the loss on '{dataset.name}'")
    return Evaluation(
        data=dataset.name,
        split=split,
        loss=loss,
        perplexity=math.exp(min(loss, 700.0)),
        bits_per_byte=loss / math.log(2) * dataset.tokens(split) / dataset.bytes(split),
        tokens=tokens,
        context=runtime.context,
        start=start,
        precision=precision,
        seconds=round(time.monotonic() - started, 3),
    )

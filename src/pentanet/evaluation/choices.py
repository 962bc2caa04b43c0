"""Multiple choice as lm-evaluation-harness counts it: which continuation of a question the model finds most likely.

`acc` takes the log-likelihood of a whole choice, `acc_norm` divides it by the number of characters of the choice.
Context and choice are joined by a space and tokenized together; what the context alone has not is the choice.  The BOS
of the tokenizer's template comes first, as lm-evaluation-harness has it with `add_bos_token`.
"""

from __future__ import annotations

import json
import math
from collections.abc import Callable, Sequence
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any, cast

import torch
import torch.nn.functional as F
from tokenizers import Tokenizer

from pentanet.data.files import read_lines
from pentanet.data.tokenizer import eos_id, require_text, template_start
from pentanet.errors import DataError, EmptyTextError
from pentanet.evaluation.finite import require_finite
from pentanet.evaluation.start import room
from pentanet.runtime.load import Runtime

_KEYS = "expected a JSON object with 'context' (text), 'choices' (two texts or more) and 'answer' (index of one)"


@dataclass(frozen=True, kw_only=True, slots=True)
class Question:
    """A question of a file.

    Attributes:
        context: what comes before the choice; may be empty.
        choices: texts, without the space before them.
        answer: index of the right one.
    """

    context: str
    choices: tuple[str, ...]
    answer: int


@dataclass(frozen=True, kw_only=True, slots=True)
class ChoiceEvaluation:
    """A measurement.

    Attributes:
        questions: how many were asked.
        acc: share of questions whose right choice has the highest log-likelihood.
        acc_stderr: standard error of it; 0 for a single question.
        acc_norm: the same with log-likelihoods per character.
        acc_norm_stderr: standard error of it.
        chance: what guessing gives on average.
        start: ids that each question begins with.
    """

    data: str
    questions: int
    acc: float
    acc_stderr: float
    acc_norm: float
    acc_norm_stderr: float
    chance: float
    start: tuple[int, ...]

    def to_dict(self) -> dict[str, Any]:
        """The fields as JSON can hold them."""
        return asdict(self)


def read_questions(path: str | Path) -> list[Question]:
    """Read a file with a JSON object per line: `context`, `choices`, `answer`.  Empty lines are skipped.

    Raises:
        MissingFileError, DataError: no such file, not one of text, no question in it, or one that is not as said.
    """
    found: list[Question] = []
    for number, line in enumerate(read_lines(Path(path)), 1):
        if line.strip():
            try:
                fields = json.loads(line)
            except ValueError as error:
                raise DataError(f"{path}, line {number}: not JSON ({error}); {_KEYS}") from None
            found.append(_question(fields, f"{path}, line {number}"))
    if not found:
        raise DataError(f"{path}: no questions; {_KEYS} on each line")
    return found


def _question(fields: object, where: str) -> Question:
    if not isinstance(fields, dict):
        raise DataError(f"{where}: {_KEYS}")
    table = cast("dict[str, object]", fields)
    context, choices, answer = (table.get(key) for key in ("context", "choices", "answer"))
    if not isinstance(context, str) or not isinstance(choices, list) or type(answer) is not int:
        raise DataError(f"{where}: {_KEYS}")
    texts = tuple(text for text in cast("list[object]", choices) if isinstance(text, str) and text)
    if len(texts) != len(cast("list[object]", choices)) or not 0 <= answer < len(texts) or len(texts) < 2:
        raise DataError(f"{where}: {_KEYS}")
    return Question(context=context, choices=texts, answer=answer)


def encode_pair(
    tokenizer: Tokenizer, context: str, continuation: str, *, start: Sequence[int] = ()
) -> tuple[list[int], list[int]]:
    """Tokens of both, where the context ends; spaces at the end of the context belong to the continuation.

    Args:
        start: what the model reads before the context, and in place of an empty one.

    Raises:
        EmptyTextError: an empty context, and the tokenizer has no end-of-text token to stand for it; or a continuation
            that adds no token.
        EncodingError: a text that is not UTF-8.
    """
    require_text(context + continuation, "a question")
    kept = context.rstrip()
    continuation = context[len(kept) :] + continuation
    whole: list[int] = tokenizer.encode(kept + continuation, add_special_tokens=False).ids
    before: list[int] = tokenizer.encode(kept, add_special_tokens=False).ids
    after = whole[len(before) :]
    if not after:
        raise EmptyTextError(f"'{continuation}' adds no token to '{kept[-40:]}'")
    if before or start:
        return before, after
    eos = eos_id(tokenizer)
    if eos is None:
        raise EmptyTextError("the context is empty, and the tokenizer has no end-of-text token to stand for it")
    return [eos], after


@torch.inference_mode()
def log_likelihood(
    runtime: Runtime, context: Sequence[int], continuation: Sequence[int], *, start: Sequence[int] = ()
) -> tuple[float, bool]:
    """Log-likelihood in nats of a continuation, and whether it is what the model would write.

    What is longer than the model's window loses the beginning of its context.

    Args:
        context: what comes before; not empty where there is no `start`.
        continuation: one token or more.
        start: what the model reads first in any case.

    Raises:
        NonFiniteActivationError: it is NaN or infinite.
    """
    text = [*context, *continuation][-(room(runtime.context, start) + 1) :]
    ids = [*start, *text]
    logits = runtime.network(torch.tensor([ids[:-1]]))[0].float()
    scored = min(len(continuation), len(text), len(ids) - 1)
    targets = torch.tensor(ids[-scored:])
    rows = F.log_softmax(logits[-scored:], dim=-1)
    total = float(rows.gather(1, targets[:, None]).double().sum())
    require_finite(total, "the log-likelihood of an answer")
    return total, bool((rows.argmax(-1) == targets).all())


def evaluate_choices(
    runtime: Runtime,
    questions: Sequence[Question],
    name: str,
    progress: Callable[[int], None] | None = None,
    *,
    bos: bool = True,
) -> ChoiceEvaluation:
    """Ask a model every question.

    Args:
        runtime: the model.
        questions: one or more.
        name: of the file.
        progress: told the number of questions so far.
        bos: begin each question as the tokenizer's template says.

    Raises:
        EmptyTextError, EncodingError: see `encode_pair`.
        NonFiniteActivationError: see `log_likelihood`.
    """
    start = template_start(runtime.tokenizer) if bos else ()
    right: list[bool] = []
    right_per_character: list[bool] = []
    for done, question in enumerate(questions, 1):
        pairs = (
            encode_pair(runtime.tokenizer, question.context, f" {choice}", start=start) for choice in question.choices
        )
        likely = [log_likelihood(runtime, *pair, start=start)[0] for pair in pairs]
        normed = [value / len(choice) for value, choice in zip(likely, question.choices, strict=True)]
        right.append(likely.index(max(likely)) == question.answer)
        right_per_character.append(normed.index(max(normed)) == question.answer)
        if progress is not None:
            progress(done)
    return ChoiceEvaluation(
        data=name,
        questions=len(right),
        acc=_mean(right),
        acc_stderr=_error(right),
        acc_norm=_mean(right_per_character),
        acc_norm_stderr=_error(right_per_character),
        chance=_mean([1 / len(question.choices) for question in questions]),
        start=start,
    )


def _mean(values: Sequence[float]) -> float:
    return sum(values) / len(values)


def _error(values: Sequence[float]) -> float:
    """Standard error of the mean."""
    count, mean = len(values), _mean(values)
    return math.sqrt(sum((value - mean) ** 2 for value in values) / (count - 1) / count) if count > 1 else 0.0

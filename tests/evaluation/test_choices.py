"""Multiple choice: the arithmetic of lm-evaluation-harness, checked on networks whose likelihoods are known."""

from __future__ import annotations

import json
import math
from pathlib import Path
from types import SimpleNamespace
from typing import cast

import pytest
import torch
from tokenizers import processors

from pentanet.data.tokenizer import train_bpe
from pentanet.errors import DataError, EmptyTextError, EncodingError, NonFiniteActivationError
from pentanet.evaluation.choices import (
    Question,
    encode_pair,
    evaluate_choices,
    log_likelihood,
    read_questions,
)
from pentanet.runtime.load import Runtime

TOKENIZER = train_bpe(["a b"], 257)  # bytes alone: a token per character
A, B, Z, SPACE = (TOKENIZER.encode(text).ids[0] for text in "abz ")


def runtime(context: int = 64, **likely: float) -> Runtime:
    """A network to which every next token has the same logit, zero, but for those given by their letter."""
    row = torch.zeros(257)
    for letter, logit in likely.items():
        row[TOKENIZER.encode(letter).ids[0]] = logit

    def network(ids: torch.Tensor) -> torch.Tensor:
        assert ids.shape[1] <= context
        return row.expand(*ids.shape, -1)

    return cast("Runtime", SimpleNamespace(network=network, tokenizer=TOKENIZER, context=context))


def ask(model: Runtime, *choices: str, answer: int = 0):
    return evaluate_choices(model, [Question(context="b", choices=choices, answer=answer)], "x")


def test_acc_takes_the_whole_choice_and_acc_norm_a_character_of_it():
    # " aaaa" costs 5 tokens, " b" two: b is likelier as a whole; per character, without the space, aaaa is.
    model = runtime(a=4.0)
    found = ask(model, "aaaa", "b")
    total = math.log(256 + math.exp(4))
    assert (-5 * total + 16) < -2 * total and (-5 * total + 16) / 4 > -2 * total
    assert (found.acc, found.acc_norm, found.chance) == (0.0, 1.0, 0.5)


def test_equal_choices_go_to_the_first():
    assert ask(runtime(), "a", "b").acc == 1
    assert ask(runtime(), "a", "b", answer=1).acc == 0


def test_standard_errors_are_those_of_a_sample():
    questions = [Question(context="b", choices=("a", "b"), answer=int(i == 0)) for i in range(4)]
    found = evaluate_choices(runtime(), questions, "x")
    assert found.acc == 0.75
    assert found.acc_stderr == pytest.approx(math.sqrt(0.75 * 0.25 / 3))
    assert ask(runtime(), "a", "b").acc_stderr == 0


def test_likelihoods_and_what_the_model_would_write():
    model = runtime(a=2.0)
    total = math.log(256 + math.exp(2))
    assert log_likelihood(model, [B], [A, A]) == (pytest.approx(2 * (2 - total)), True)
    assert log_likelihood(model, [B], [A, B]) == (pytest.approx(2 - 2 * total), False)


def test_a_long_context_loses_its_beginning_and_a_long_choice_is_cut():
    assert log_likelihood(runtime(4), [B] * 10, [A])[0] == pytest.approx(-math.log(257))
    assert log_likelihood(runtime(4), [B], [A] * 10)[0] == pytest.approx(-4 * math.log(257))


def test_spaces_at_the_end_of_a_context_belong_to_the_choice():
    assert encode_pair(TOKENIZER, "b  ", "a") == ([B], [SPACE, SPACE, A])
    assert encode_pair(TOKENIZER, "", " a") == ([0], [SPACE, A])


@pytest.mark.parametrize("logit", [math.nan, math.inf])
def test_a_likelihood_that_is_no_number_is_an_error(logit):
    with pytest.raises(NonFiniteActivationError, match="the log-likelihood of an answer is nan"):
        ask(runtime(a=logit), "aa", "ab")


def test_a_question_of_half_a_character_is_an_error():
    with pytest.raises(EncodingError, match="a question is not UTF-8"):
        encode_pair(TOKENIZER, "b", " \ud800")


def test_nothing_to_score_is_an_error():
    with pytest.raises(EmptyTextError, match="adds no token"):
        encode_pair(TOKENIZER, "b", "")


def write(path: Path, *lines: object) -> Path:
    file = path / "questions.jsonl"
    file.write_text("\n".join(line if isinstance(line, str) else json.dumps(line) for line in lines))
    return file


def test_files_of_questions(tmp_path):
    good = {"context": "b", "choices": ["a", "b"], "answer": 1, "source": "ignored"}
    assert read_questions(write(tmp_path, good, "", good)) == [Question(context="b", choices=("a", "b"), answer=1)] * 2


@pytest.mark.parametrize(
    "line",
    ["{", "[]", *({"context": "b", "choices": ["a", "b"], "answer": 0} | bad for bad in (
        {"answer": 2}, {"answer": True}, {"answer": -1}, {"choices": ["a"]}, {"choices": ["a", ""]}, {"choices": "ab"},
        {"choices": ["a", 3]}, {"context": None},
    ))],
)  # fmt: skip
def test_lines_that_are_no_questions_are_named(tmp_path, line):
    with pytest.raises(DataError, match=r"questions\.jsonl, line 1: "):
        read_questions(write(tmp_path, line))


def test_a_file_without_questions_is_an_error(tmp_path):
    with pytest.raises(DataError, match="no questions"):
        read_questions(write(tmp_path, ""))


def test_a_question_begins_with_the_bos_and_keeps_it():
    """A network that says what it was shown first: its next token has that logit."""

    def network(ids: torch.Tensor) -> torch.Tensor:
        assert ids.shape[1] <= 4
        return torch.nn.functional.one_hot(ids[:, :1].expand_as(ids), 257).float()

    model = cast("Runtime", SimpleNamespace(network=network, tokenizer=TOKENIZER, context=4))
    likely = 1 - math.log(256 + math.e)
    for before, after in (([B] * 9, [Z]), ([], [Z])):
        assert log_likelihood(model, before, after, start=(Z,)) == (pytest.approx(likely, rel=1e-5), True)
    assert log_likelihood(model, [B], [Z] * 9, start=(Z,))[0] == pytest.approx(4 * likely, rel=1e-5)
    assert encode_pair(TOKENIZER, "", " a", start=(Z,)) == ([], [SPACE, A])
    tokenizer = train_bpe(["a b"], 257)
    tokenizer.post_processor = processors.TemplateProcessing(single="z $A", special_tokens=[("z", Z)])
    model.tokenizer = tokenizer
    questions = [Question(context="b", choices=("b", "z"), answer=1)]
    found, plain = (evaluate_choices(model, questions, "x", bos=bos) for bos in (True, False))
    assert (found.acc, found.start) == (1.0, (Z,))
    assert (plain.acc, plain.start) == (0.0, ())

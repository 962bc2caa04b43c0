"""pentanet chat and generate --chat, with a template that a small model was given."""

from __future__ import annotations

import io

import pytest
from edits import reseal


@pytest.fixture
def chatty(model):
    """A model directory with a chat template."""
    (model / "chat_template.jinja").write_text("{% for m in messages %}{{ m.content }} {% endfor %}")
    reseal(model)
    return model


def test_questions_come_line_by_line(pentanet, chatty, monkeypatch):
    monkeypatch.setattr(
        "sys.stdin", io.StringIO("the cat\n\n/undo\nthe cat\n/system sat\nthe cat\n/nope\n/help\n/quit\nall")
    )
    result = pentanet("chat", chatty, "--tokens", 5, "--temperature", 0)
    lines = result.out.splitlines()
    assert (result.code, result.err) == (0, "")
    assert lines[0] == lines[1]  # greedy, and nothing left of the first question
    assert lines[3] == "/nope is not a command. /help lists them."
    assert lines[-1].startswith("/quit")


def test_generate_answers_a_question_alone(pentanet, chatty):
    call = ("generate", chatty, "--prompt", "the cat", "--temperature", 0, "--tokens", 5)
    assert pentanet(*call).out.startswith("the cat")
    answer = pentanet(*call, "--chat")
    assert (answer.code, answer.err) == (0, "")
    assert not answer.out.startswith("the cat")


def test_a_chat_needs_a_template(refuse, model):
    assert "has no chat template" in refuse("chat", model)
    assert "has no chat template" in refuse("generate", model, "--chat", "--prompt", "hi")
    assert "add --chat" in refuse("generate", model, "--system", "be brief")

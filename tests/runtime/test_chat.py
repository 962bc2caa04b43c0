"""Chat templates: where they are found, what they may do, and how they fail."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

from pentanet.errors import ChatTemplateError, PentaNetError
from pentanet.runtime import chat
from pentanet.runtime.chat import ChatTemplate, messages_of, read_chat_template

CHATML = (
    "{% for m in messages %}<|{{ m['role'] }}|>{{ m['content'] }}{{ eos_token }}{% endfor %}"
    "{% if add_generation_prompt %}<|assistant|>{% endif %}"
)


def template(source: str) -> ChatTemplate:
    return ChatTemplate(where=Path("t.jinja"), source=source, eos="</s>")


def test_messages_become_text() -> None:
    messages = messages_of("Hi", "Be brief.")
    assert template(CHATML).render(messages) == "<|system|>Be brief.</s><|user|>Hi</s><|assistant|>"
    assert template(CHATML).render(messages_of("Hi"), answer=False) == "<|user|>Hi</s>"


def test_a_file_of_its_own_comes_first(tmp_path: Path) -> None:
    settings = {"chat_template": "inline", "bos_token": "<s>", "eos_token": {"content": "</s>"}}
    (tmp_path / "tokenizer_config.json").write_text(json.dumps(settings))
    found = read_chat_template(tmp_path)
    assert (found.source, found.bos, found.eos) == ("inline", "<s>", "</s>")
    (tmp_path / "chat_template.jinja").write_text("own")
    assert read_chat_template(tmp_path).source == "own"


def test_of_several_templates_the_default_is_taken(tmp_path: Path) -> None:
    named = [{"name": "tool_use", "template": "tools"}, {"name": "default", "template": "plain"}]
    (tmp_path / "tokenizer_config.json").write_text(json.dumps({"chat_template": named}))
    assert read_chat_template(tmp_path).source == "plain"


@pytest.mark.parametrize("content", [None, "{}", '{"chat_template": 5}', '{"chat_template": [{"name": "x"}]}'])
def test_a_model_without_a_template_is_named(tmp_path: Path, content: str | None) -> None:
    if content is not None:
        (tmp_path / "tokenizer_config.json").write_text(content)
    with pytest.raises(ChatTemplateError, match="no chat template"):
        read_chat_template(tmp_path)


def test_a_template_that_is_no_text_is_refused(tmp_path: Path) -> None:
    (tmp_path / "chat_template.jinja").write_bytes(b"\xff\xfe")
    with pytest.raises(PentaNetError, match=r"chat_template\.jinja"):
        read_chat_template(tmp_path)


@pytest.mark.parametrize(
    "source",
    [
        "{% for %}",  # not Jinja
        "{{ raise_exception('system messages are not known') }}",
        "{{ messages[0].nothing.more }}",
        "{{ 1 // 0 }}",
        "{{ messages.append(1) }}",
        "{{ ''.__class__.__mro__[1].__subclasses__() }}",
        "{% for i in range(999999999) %}x{% endfor %}",
        "{% include 'secret.txt' %}",
        "{{ 'a' * 10000000000 }}",
        "{{ [1] * 10000000000 }}",
        "{{ 10 ** 1000000000 }}",
        "{% macro again() %}{{ again() }}{% endmacro %}{{ again() }}",
    ],
)
def test_what_a_template_may_not_do_is_an_error_with_its_name(source: str) -> None:
    with pytest.raises(ChatTemplateError, match=r"t\.jinja: the chat template fails"):
        template(source).render(messages_of("Hi"))


def test_the_size_of_the_text_is_bounded(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(chat, "MAX_TEXT", 1000)
    with pytest.raises(ChatTemplateError, match="more than 1000 characters"):
        template("{% for i in range(99999) %}some text{% endfor %}").render([])

"""Messages of a chat as the text that a model was tuned on: the chat template of its directory.

A template is a program in Jinja that comes with the model.  It runs in Jinja's immutable sandbox, which has no way to
files or attributes of Python's own, and what it writes is bounded.
"""

from __future__ import annotations

import datetime
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, NoReturn, cast

from jinja2 import TemplateError
from jinja2.exceptions import SecurityError
from jinja2.ext import loopcontrols
from jinja2.runtime import Context
from jinja2.sandbox import ImmutableSandboxedEnvironment
from tokenizers import Tokenizer

from pentanet.data.tokenizer import require_text
from pentanet.errors import ChatTemplateError, UnreadableFileError
from pentanet.regular import read_regular
from pentanet.runtime.endings import TOKENIZER, read_settings, token_text

TEMPLATE = "chat_template.jinja"
MAX_TEMPLATE = 1 << 20
MAX_TEXT = 1 << 24
"""Characters of a template, and of what it may write."""

Message = Mapping[str, Any]
"""`role` (system, user, assistant) and `content`."""


class _Sandbox(ImmutableSandboxedEnvironment):
    """Jinja's sandbox, in which nothing grows by multiplying: `'a' * 10**10` takes its memory before it is written."""

    intercepted_binops = frozenset({"*", "**"})

    def call_binop(self, context: Context, operator: str, left: Any, right: Any) -> Any:
        if not all(isinstance(value, (int, float)) for value in (left, right)) or operator == "**":
            raise SecurityError(f"'{operator}' of {type(left).__name__} and {type(right).__name__} is not allowed")
        return super().call_binop(context, operator, left, right)


@dataclass(frozen=True, kw_only=True, slots=True)
class ChatTemplate:
    """The chat template of a model directory.

    Attributes:
        where: the file that it comes from.
        source: Jinja.
        bos, eos: texts of the special tokens, which templates ask for; "" for none.
    """

    where: Path
    source: str
    bos: str = ""
    eos: str = ""

    def render(self, messages: Sequence[Message], *, answer: bool = True) -> str:
        """The text of some messages.

        Args:
            messages: the conversation so far, oldest first.
            answer: end with what begins an answer of the model.

        Raises:
            ChatTemplateError: the template is not Jinja, refuses these messages, or writes more than `MAX_TEXT`.
        """
        environment = _Sandbox(trim_blocks=True, lstrip_blocks=True, extensions=[loopcontrols])
        names = {"bos_token": self.bos, "eos_token": self.eos, "raise_exception": _refuse, "strftime_now": _now}
        text: list[str] = []
        room = MAX_TEXT
        try:
            template = environment.from_string(self.source)
            for part in template.generate(messages=list(messages), add_generation_prompt=answer, **names):
                room -= len(part)
                if room < 0:
                    raise ChatTemplateError(f"{self.where}: the chat template writes more than {MAX_TEXT} characters")
                text.append(part)
        except ChatTemplateError:
            raise
        except TemplateError as error:
            raise ChatTemplateError(f"{self.where}: the chat template fails: {str(error)[:200]}") from error
        except Exception as error:  # a template may divide by zero, index what is not there, recurse, ...
            said = f"{type(error).__name__}: {error}"[:200]
            raise ChatTemplateError(f"{self.where}: the chat template fails: {said}") from error
        return "".join(text)

    def prompt(self, tokenizer: Tokenizer, messages: Sequence[Message]) -> list[int]:
        """The ids after which the model answers; special tokens in the text are read as such.

        Raises:
            ChatTemplateError: as `render`.
            EncodingError: a message that is not UTF-8.
        """
        text = self.render(messages)
        require_text(text, "the chat")
        return tokenizer.encode(text, add_special_tokens=False).ids


def messages_of(question: str, system: str = "") -> list[Message]:
    """A chat of one question, after what the model is told first."""
    told = [{"role": "system", "content": system}] if system else []
    return [*told, {"role": "user", "content": question}]


def find_template(folder: Path, files: Mapping[str, bytes] | None = None) -> tuple[Path, str]:
    """The text of a model directory's chat template, "" where it has none, and the file that it would be in.

    It is chat_template.jinja, or `chat_template` of tokenizer_config.json; `files` as in `read_chat_template`.

    Raises:
        UnreadableFileError, ModelConfigError: a file that cannot be read, or is not what its name says.
    """
    file = folder / TEMPLATE
    if not (file.exists() if files is None else TEMPLATE in files):
        return folder / TOKENIZER, _inline(read_settings(folder, TOKENIZER, files).get("chat_template"))
    try:
        # A character has at most 4 bytes.
        raw = files[TEMPLATE] if files is not None else read_regular(file, 4 * MAX_TEMPLATE)
        return file, raw.decode("utf-8")
    except (OSError, UnicodeDecodeError) as error:
        raise UnreadableFileError(file, error) from error


def read_chat_template(folder: str | Path, files: Mapping[str, bytes] | None = None) -> ChatTemplate:
    """The chat template of a model directory: see `find_template`.

    Args:
        folder: the directory.
        files: content by name, in place of the files in it.

    Raises:
        ChatTemplateError: it has none, or one that is longer than `MAX_TEMPLATE`.
        UnreadableFileError, ModelConfigError: a file that cannot be read, or is not what its name says.
    """
    folder = Path(folder)
    file, source = find_template(folder, files)
    config = read_settings(folder, TOKENIZER, files)
    if not source:
        raise ChatTemplateError(
            f"{folder}: has no chat template ({TEMPLATE}, or chat_template in {TOKENIZER}): the model was not tuned to "
            "chat. Leave out --chat to continue a text."
        )
    if len(source) > MAX_TEMPLATE:
        raise ChatTemplateError(f"{file}: a chat template of {len(source)} characters; at most {MAX_TEMPLATE}")
    bos, eos = (token_text(config.get(key)) for key in ("bos_token", "eos_token"))
    return ChatTemplate(where=file, source=source, bos=bos, eos=eos)


def _inline(value: object) -> str:
    """The template in tokenizer_config.json: a string, or a list of named ones, of which "default" is taken."""
    if isinstance(value, list):
        named = [cast("dict[str, object]", entry) for entry in cast("list[object]", value) if isinstance(entry, dict)]
        value = next((entry.get("template") for entry in named if entry.get("name") == "default"), None)
    return value if isinstance(value, str) else ""


def _now(style: str) -> str:
    return datetime.datetime.now().strftime(style)


def _refuse(message: object) -> NoReturn:
    raise TemplateError(str(message))

"""Where a text of a model begins and ends: what its directory says, in one place."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, cast

from tokenizers import Tokenizer

from pentanet.data.tokenizer import eos_id, template_start
from pentanet.errors import ConfigError, HeaderError, ModelConfigError
from pentanet.format.header import strict_json
from pentanet.format.model_dir import read_config

GENERATION, TOKENIZER = "generation_config.json", "tokenizer_config.json"


@dataclass(frozen=True, kw_only=True, slots=True)
class Endings:
    """Attributes:
    start: ids that the tokenizer's template puts before a text (Llama's BOS); often none.
    stops: ids that end a text; they are never part of it.
    """

    start: tuple[int, ...] = ()
    stops: frozenset[int] = frozenset()


def endings_of(tokenizer: Tokenizer) -> Endings:
    """What a tokenizer says by itself: its template, and the usual names of the token that ends a text."""
    return Endings(start=template_start(tokenizer), stops=_ids(eos_id(tokenizer)))


def read_endings(
    folder: Path, config: Mapping[str, Any], tokenizer: Tokenizer, files: Mapping[str, bytes] | None = None
) -> Endings:
    """What a model directory says; `files`, content by name, stand for those in it, if given.

    The first of these that names ids ends a text: `eos_token_id` of generation_config.json, which may be a list;
    `eos_token_id` of config.json; `eos_token` of tokenizer_config.json; the usual names in the tokenizer.

    Raises:
        ModelConfigError: one of the files is not a JSON object.
    """
    own = endings_of(tokenizer)
    stops = _ids(read_settings(folder, GENERATION, files).get("eos_token_id")) or _ids(config.get("eos_token_id"))
    if not stops and (name := token_text(read_settings(folder, TOKENIZER, files).get("eos_token"))):
        stops = _ids(tokenizer.token_to_id(name))
    return Endings(start=own.start, stops=stops or own.stops)


def read_settings(folder: Path, name: str, files: Mapping[str, bytes] | None = None) -> dict[str, Any]:
    """A JSON object beside the weights, {} where there is none; `files` as in `read_endings`.

    Raises:
        ModelConfigError: it is something else.
    """
    if files is None:
        return read_config(folder / name) if (folder / name).exists() else {}
    try:
        return strict_json(files[name], folder / name) if name in files else {}
    except HeaderError as error:
        raise ModelConfigError(str(error)) from None


def token_text(value: object) -> str:
    """A special token of tokenizer_config.json, which is a string or an object with `content`; "" for none."""
    if isinstance(value, dict):
        value = cast("dict[str, object]", value).get("content")
    return value if isinstance(value, str) else ""


class StopStrings:
    """Ends a text before the first of some strings; `met` once it did.

    What may be the beginning of one is held back until more of the text decides.

    Raises:
        ConfigError: an empty string, which would end every text at once.
    """

    def __init__(self, strings: Sequence[str]) -> None:
        if "" in strings:
            raise ConfigError("an empty stop string would end every text at once")
        self._strings, self._held, self.met = tuple(strings), "", False

    def push(self, piece: str) -> str:
        """What is now known to come before any stop string, of what was held back and a new piece."""
        if self.met:
            return ""
        self._held += piece
        if found := [at for string in self._strings if (at := self._held.find(string)) >= 0]:
            ready, self._held, self.met = self._held[: min(found)], "", True
            return ready
        keep = max((_overlap(self._held, string) for string in self._strings), default=0)
        at = len(self._held) - keep
        ready, self._held = self._held[:at], self._held[at:]
        return ready

    def finish(self) -> str:
        """What is still held back, where the text ends by itself."""
        held, self._held = self._held, ""
        return held


def _overlap(text: str, stop: str) -> int:
    """Characters at the end of `text` with which `stop` begins."""
    return next((n for n in range(min(len(stop) - 1, len(text)), 0, -1) if text.endswith(stop[:n])), 0)


def _ids(value: object) -> frozenset[int]:
    found = cast("list[object]", value) if isinstance(value, list) else [value]
    return frozenset(i for i in found if type(i) is int and i >= 0)

"""How a byte-level BPE cuts text before it merges, by llama.cpp's names (`tokenizer.ggml.pre`).

llama.cpp has these rules in its code.  A wrong name gives other tokens, and so garbage, without an error: both who
reads a name and who writes one looks here.
"""

from __future__ import annotations

import json
from collections.abc import Callable, Mapping
from types import MappingProxyType
from typing import Any

from tokenizers import Regex, pre_tokenizers

WHOLE_WORDS = "llama-bpe"
"""The rule that also takes a whole word that is a token, whatever the merges say (`ignore_merges`)."""
_LLAMA3 = (
    r"(?i:'s|'t|'re|'ve|'m|'ll|'d)|[^\r\n\p{L}\p{N}]?\p{L}+|\p{N}{1,3}| ?[^\s\p{L}\p{N}]+[\r\n]*|\s*[\r\n]+"
    r"|\s+(?!\S)|\s+"
)
_QWEN2 = _LLAMA3.replace(r"\p{N}{1,3}", r"\p{N}")
_MEANINGLESS = "trim_offsets"  # moves where a token says that it lies, and makes no other tokens


def _gpt2() -> pre_tokenizers.PreTokenizer:
    return pre_tokenizers.ByteLevel(add_prefix_space=False)


def _smollm() -> pre_tokenizers.PreTokenizer:
    return pre_tokenizers.Sequence([pre_tokenizers.Digits(individual_digits=True), _gpt2()])


def _split(pattern: str) -> pre_tokenizers.PreTokenizer:
    byte_level = pre_tokenizers.ByteLevel(add_prefix_space=False, use_regex=False)
    return pre_tokenizers.Sequence([pre_tokenizers.Split(Regex(pattern), "isolated"), byte_level])


SPLITTING: Mapping[str, Callable[[], pre_tokenizers.PreTokenizer]] = MappingProxyType(
    {
        "gpt-2": _gpt2,
        "smollm": _smollm,
        "qwen2": lambda: _split(_QWEN2),
        WHOLE_WORDS: lambda: _split(_LLAMA3),
    }
)
"""What makes the rule, by name."""


def name_of(found: Mapping[str, Any] | None) -> str | None:
    """The name of the rule in the `pre_tokenizer` of a tokenizer.json; None where it is none of those known."""
    steps = _steps(found)
    for name, make in SPLITTING.items():
        if steps == _steps(json.loads(make().__getstate__())):
            return name
    return None


def kinds_of(found: Mapping[str, Any] | None) -> list[str]:
    """What the steps of a `pre_tokenizer` are called, for messages."""
    return [str(step.get("type")) for step in _steps(found)]


def _steps(found: Mapping[str, Any] | None) -> list[dict[str, Any]]:
    if found is None:
        return []
    steps = found["pretokenizers"] if found["type"] == "Sequence" else [found]
    return [{key: value for key, value in step.items() if key != _MEANINGLESS} for step in steps]

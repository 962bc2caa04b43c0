"""What a tokenizer.json may do to a text: it comes with a model, so from a stranger."""

from __future__ import annotations

import json
from collections.abc import Iterator
from typing import Any, cast

from tokenizers import Tokenizer

MAX_GROWTH = 64.0  # characters out for one in; the replacements of real tokenizers make 3 at most
MAX_PREPEND = 64  # characters put before a text


def limit(tokenizer: Tokenizer) -> None:
    """Drop padding and truncation, and refuse rules that make a text out of proportion longer.

    Padding to billions of tokens fills the memory, truncation drops text silently, and a stride that is not shorter
    than the truncation panics; no part of PentaNet wants either.

    Raises:
        ValueError: a rule that is refused, by name.
    """
    tokenizer.no_padding()
    tokenizer.no_truncation()
    for name, part in (("normalizer", tokenizer.normalizer), ("decoder", tokenizer.decoder)):
        if part is not None:
            _check(name, json.loads(part.__getstate__()))


def _check(name: str, tree: object) -> None:
    growth = 1.0
    for rule in _rules(tree):
        if rule.get("type") == "Replace":
            growth *= max(1.0, _growth(rule))
        if rule.get("type") == "Prepend" and len(rule["prepend"]) > MAX_PREPEND:
            raise ValueError(f"its {name} puts {len(rule['prepend'])} characters before a text, {MAX_PREPEND} may be")
    if growth > MAX_GROWTH:
        raise ValueError(f"its {name} makes a text up to {growth:.3g} times as long, {MAX_GROWTH:g} times may be")


def _growth(rule: dict[str, Any]) -> float:
    """Characters that a replacement may make of one; an expression, or an empty text, may match between any two."""
    text: str = rule["pattern"].get("String", "")
    return len(rule["content"]) / len(text) if text else len(rule["content"]) + 1.0


def _rules(tree: object) -> Iterator[dict[str, Any]]:
    """All objects of a JSON tree that have a type."""
    if isinstance(tree, dict):
        fields = cast("dict[str, Any]", tree)
        if "type" in fields:
            yield fields
        for value in fields.values():
            yield from _rules(value)
    elif isinstance(tree, list):
        for value in cast("list[object]", tree):
            yield from _rules(value)

"""A tokenizer.json from a stranger: what it may make of a text."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest

from pentanet.data import tokenizer as tokenizers
from pentanet.errors import DataError

TEXT = "the cat sat on the mat"


def saved(folder: Path, **changed: object) -> Path:
    parts: dict[str, Any] = json.loads(tokenizers.train_bpe([TEXT], 270).to_str())
    path = folder / "tokenizer.json"
    path.write_text(json.dumps({**parts, **changed}), encoding="utf-8")
    return path


def replace(pattern: str, content: str) -> dict[str, object]:
    return {"type": "Replace", "pattern": {"String": pattern}, "content": content}


def test_padding_and_truncation_are_dropped(tmp_path: Path) -> None:
    plain = tokenizers.load(saved(tmp_path)).encode(TEXT).ids
    padding = {
        "strategy": {"Fixed": 50},
        "direction": "Right",
        "pad_to_multiple_of": None,
        "pad_id": 0,
        "pad_type_id": 0,
        "pad_token": "x",
    }
    truncation = {"direction": "Right", "max_length": 4, "strategy": "LongestFirst", "stride": 9}
    assert tokenizers.load(saved(tmp_path, padding=padding)).encode(TEXT).ids == plain
    assert tokenizers.load(saved(tmp_path, truncation=truncation)).encode(TEXT).ids == plain


@pytest.mark.parametrize("part", ["normalizer", "decoder"])
def test_replacements_that_multiply_are_refused(tmp_path: Path, part: str) -> None:
    lists = {"normalizer": "normalizers", "decoder": "decoders"}
    chain = [replace("a", "a" * 10) for _ in range(9)]
    with pytest.raises(DataError, match=rf"its {part} makes a text up to 1e\+09 times as long"):
        tokenizers.load(saved(tmp_path, **{part: {"type": "Sequence", lists[part]: chain}}))
    with pytest.raises(DataError, match=f"its {part}"):
        tokenizers.load(saved(tmp_path, **{part: replace("", "b" * 64)}))
    tokenizers.load(saved(tmp_path, **{part: replace(" ", "\u2581")}))


def test_a_long_beginning_is_refused(tmp_path: Path) -> None:
    with pytest.raises(DataError, match="puts 65 characters before a text"):
        tokenizers.load(saved(tmp_path, normalizer={"type": "Prepend", "prepend": "x" * 65}))


def test_a_panic_is_an_error(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    class PanicException(BaseException):
        """As pyo3 raises it."""

    class Panicking:
        @staticmethod
        def from_str(text: str) -> object:
            raise PanicException("index out of bounds")

    path = saved(tmp_path)
    monkeypatch.setattr(tokenizers, "Tokenizer", Panicking)
    with pytest.raises(DataError, match="index out of bounds"):
        tokenizers.load(path)

"""Where a text begins and ends: the files of a directory in their order, BOS, and stop strings over pieces."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st
from tokenizers import AddedToken, Tokenizer, models, processors

from pentanet.errors import ModelConfigError
from pentanet.runtime.endings import StopStrings, endings_of, read_endings

GENERATION, SETTINGS = "generation_config.json", "tokenizer_config.json"


def tokenizer(*, bos: bool = False) -> Tokenizer:
    """Words a, b and the special tokens <s> 2, <|endoftext|> 3, <|im_end|> 4."""
    made = Tokenizer(models.WordLevel({"a": 0, "b": 1}, unk_token="b"))
    made.add_special_tokens([AddedToken(text, special=True) for text in ("<s>", "<|endoftext|>", "<|im_end|>")])
    if bos:
        made.post_processor = processors.TemplateProcessing(single="<s> $A", special_tokens=[("<s>", 2)])
    return made


@pytest.mark.parametrize(
    ("files", "config", "stops"),
    [
        ({GENERATION: {"eos_token_id": [3, 4]}, SETTINGS: {"eos_token": "<s>"}}, {"eos_token_id": 2}, {3, 4}),
        ({GENERATION: {}, SETTINGS: {"eos_token": "<s>"}}, {"eos_token_id": 4}, {4}),
        ({SETTINGS: {"eos_token": "<|im_end|>"}}, {}, {4}),
        ({SETTINGS: {"eos_token": {"content": "<|im_end|>"}}}, {"eos_token_id": None}, {4}),
        ({SETTINGS: {"eos_token": "not a token"}}, {"eos_token_id": "4"}, {3}),
        ({GENERATION: {"eos_token_id": -1}}, {}, {3}),
        ({}, {}, {3}),
    ],
)
def test_the_first_file_that_names_ids_decides(
    tmp_path: Path, files: dict[str, dict[str, Any]], config: dict[str, Any], stops: set[int]
) -> None:
    for name, content in files.items():
        (tmp_path / name).write_text(json.dumps(content))
    assert read_endings(tmp_path, config, tokenizer()).stops == stops


def test_the_template_of_the_tokenizer_says_what_comes_first() -> None:
    assert endings_of(tokenizer(bos=True)).start == (2,)
    assert endings_of(tokenizer()).start == ()


def test_a_broken_file_is_named(tmp_path: Path) -> None:
    (tmp_path / GENERATION).write_text("[]")
    with pytest.raises(ModelConfigError, match=GENERATION):
        read_endings(tmp_path, {}, tokenizer())


@given(
    pieces=st.lists(st.text("abc", max_size=4), max_size=8),
    stops=st.lists(st.text("abc", min_size=1, max_size=4), min_size=1, max_size=3),
)
def test_the_text_ends_before_the_first_stop_string_however_it_is_cut(pieces: list[str], stops: list[str]) -> None:
    """The first stop string to be complete ends the text; before it, of those that are complete then."""
    ends = StopStrings(stops)
    found = "".join(ends.push(piece) for piece in pieces) + ends.finish()
    whole = "".join(pieces)
    assert ends.met == any(stop in whole for stop in stops)
    if not ends.met:
        assert found == whole
    else:
        assert whole.startswith(found)
        assert not any(stop in found for stop in stops)
        assert any(whole.startswith(stop, len(found)) for stop in stops)


def test_what_can_be_no_stop_string_is_not_held_back() -> None:
    ends = StopStrings(["two!"])
    assert [ends.push(piece) for piece in ("one ", "tw", "o", " three")] == ["one ", "", "", "two three"]

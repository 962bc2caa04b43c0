"""A small text with words enough for a tokenizer, and a dataset made of it."""

from __future__ import annotations

from pathlib import Path

import pytest

from pentanet.data.dataset import Dataset
from pentanet.data.prepare import prepare

WORDS = ("cat", "sat", "on", "a", "mat", "saw", "na\u00efve", "\u6771\u4eac", "\u2013", "who", "sang", "all", "day")


def story(lines: int) -> str:
    """That many lines, every fifth one blank, no two alike."""
    texts = [
        "" if i % 5 == 4 else " ".join([str(i), *(WORDS[i * k % len(WORDS)] for k in range(3, 12))])
        for i in range(lines)
    ]
    return "\n".join(texts) + "\n"


@pytest.fixture
def text(tmp_path: Path) -> Path:
    file = tmp_path / "story.txt"
    file.write_text(story(400), encoding="utf-8")
    return file


@pytest.fixture
def dataset(text: Path, tmp_path: Path) -> Dataset:
    return prepare(text, tmp_path / "set", tokenizer="bpe:300")

"""A plan looks at its text, tries a step, and says what is absurd."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace
from pathlib import Path

import pytest

from pentanet.data.cache import open_or_prepare
from pentanet.data.dataset import Dataset
from pentanet.errors import DataError, MissingFileError
from pentanet.training import outlook as room
from pentanet.training.config import TrainConfig
from pentanet.training.outlook import outlook, text_tokens, training_seconds
from pentanet.training.plan import Plan, plan

Configure = Callable[..., TrainConfig]


@pytest.fixture(autouse=True)
def _own_cache(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("PENTANET_CACHE", str(tmp_path / "cache"))


def of(configure: Configure, source: object, *pairs: str) -> TrainConfig:
    return configure("llama", f'data.source="{source}"', 'data.tokenizer="bpe:270"', *pairs)


def test_a_text_that_is_not_there_is_an_error(configure: Configure, tmp_path: Path) -> None:
    with pytest.raises(MissingFileError, match=r"owm.txt"):
        text_tokens(of(configure, tmp_path / "owm.txt"))
    (tmp_path / "empty").mkdir()
    with pytest.raises(DataError, match="no texts here"):
        text_tokens(of(configure, tmp_path / "empty"))


def test_tokens_are_counted_where_they_are_there_and_estimated_elsewhere(
    configure: Configure, tiny: Dataset, tmp_path: Path
) -> None:
    assert text_tokens(of(configure, tiny.path)) == (tiny.tokens("train"), True)
    text = tmp_path / "text.txt"
    text.write_text("the cat sat on a mat\n" * 1000)
    config = of(configure, text)
    assert text_tokens(config) == (text.stat().st_size // 4, False)
    made = open_or_prepare(str(text), "bpe:270", config.data.eos)
    assert text_tokens(config) == (made.tokens("train"), True)
    assert text_tokens(of(configure, "wikitext-103")) == (None, False)
    tokens, counted = text_tokens(of(configure, "bible"))
    assert not counted and 900_000 < (tokens or 0) < 1_300_000


def test_epochs_and_warnings(configure: Configure, tiny: Dataset) -> None:
    config = of(configure, tiny.path, f"steps={tiny.tokens('train') * 30 // 32}")
    planned = plan(config)
    found = outlook(config, planned)
    assert found.epochs == pytest.approx(30, rel=0.01)
    assert [text for text in found.warnings if "reads its text 30 times" in text]
    short = of(configure, tiny.path)
    assert outlook(short, plan(short)).warnings == ()


def test_memory_and_time_that_no_machine_has(configure: Configure, monkeypatch: pytest.MonkeyPatch) -> None:
    config = of(configure, "bible")
    planned = replace(plan(config), memory_bytes=1_699_525_588_992)
    monkeypatch.setattr(room, "training_seconds", lambda *_: 400 * 86400.0)
    found = outlook(config, planned).warnings
    assert "about 1,700 GB of memory, and this machine has" in found[0]
    assert "about 400 days" in found[1]


def test_the_time_is_that_of_a_measured_step(
    configure: Configure, tiny: Dataset, monkeypatch: pytest.MonkeyPatch
) -> None:
    short, longer = (of(configure, tiny.path, f"steps={steps}") for steps in (10, 1000))
    planned: Plan = plan(short)
    a, b = training_seconds(short, planned), training_seconds(longer, planned)
    assert a is not None and b is not None
    assert 10 < b / a < 1000  # a machine in use may be slow in one of the two
    monkeypatch.setattr(room, "MEASURED", 1.0)
    assert training_seconds(short, planned) is None

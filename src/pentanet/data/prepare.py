"""Text to token streams: one pass to know the text, one to train the tokenizer if asked for, one to encode."""

from __future__ import annotations

import hashlib
import io
import json
import re
from collections.abc import Callable, Iterable, Iterator
from dataclasses import dataclass
from itertools import chain
from pathlib import Path
from typing import Literal, get_args

import numpy as np
from tokenizers import Tokenizer

from pentanet import atomic
from pentanet.data import corpora
from pentanet.data import tokenizer as tokenizers_of
from pentanet.data.corpora import Lines
from pentanet.data.dataset import FORMAT_VERSION, RECORD, TOKENIZER, Dataset, Record, SplitRecord
from pentanet.errors import DataError, EmptyTextError, PentaNetError, UnknownNameError, WriteError

Eos = Literal["line", "document", "none"]
Progress = Callable[[str, int, int], None]

_HEADING = re.compile(r"^ ?= [^=].* = ?$")  # WikiText's article titles; sections have two or more signs
_PIECE = 1 << 16  # characters: longer texts are encoded in pieces of whole lines, which bounds memory
_BATCH = 1 << 20


@dataclass(frozen=True, kw_only=True, slots=True)
class _Facts:
    """What the first pass learns of a split."""

    sha256: str
    bytes: int


def prepare(
    source: str | Path,
    out: Path | str,
    *,
    tokenizer: str = "bpe:4096",
    eos: Eos = "line",
    progress: Progress | None = None,
) -> Dataset:
    r"""Turn a corpus into a dataset directory, or return the one that is there if it was made from the same things.

    Args:
        source: a corpus name or the path of a file or folder: see `corpora.load`.
        out: the directory to write; a dataset that stands there is replaced, anything else is refused.
        tokenizer: "bpe:N" (trained on the training text), "gpt2", or the path of a tokenizer.json.
        eos: where an end-of-text token goes. "line": after each line, blank lines left out (what the publication
            did). "document": after each article, where the text has WikiText's headings, or else after each group
            of lines between blank ones. "none": nowhere; the stream is the text, blank lines included.
        progress: called with a stage, the bytes done and the bytes in all; stages come one after another.

    Raises:
        EmptyTextError: a split without a word.
        DataError: eos with a tokenizer that has no such token; whatever `corpora.load` raises.
        WriteError: `out` holds something that is not a dataset.
    """
    if eos not in get_args(Eos):
        raise UnknownNameError("eos mode", eos, get_args(Eos))
    out = Path(out)
    report = progress or _silent
    corpus = corpora.load(source)
    facts = {split: _examine(lines, split, report) for split, lines in corpus.splits.items()}
    documents = [split for split, lines in corpus.splits.items() if lines.documents]
    recipe = _recipe(facts, tokenizer, eos, documents)
    existing = _existing(out, recipe)
    if existing is not None:
        return existing
    total = facts["train"].bytes
    made = tokenizers_of.make(tokenizer, _counted(corpus.splits["train"], "train the tokenizer", total, report))
    eos_id = tokenizers_of.eos_id(made)
    if eos_id is None and eos != "none":
        raise DataError(f"tokenizer '{tokenizer}' has no end-of-text token such as {tokenizers_of.EOS}: use eos 'none'")
    with atomic.scratch_dir(out) as tmp:
        encoder = _Encoder(made, eos_id, eos)
        splits: dict[str, SplitRecord] = {}
        for split, lines in corpus.splits.items():
            counted = _counted(lines, f"encode {split}", facts[split].bytes, report)
            splits[split] = encoder.write(counted, tmp / f"{split}.bin", documents=lines.documents)
        text = made.to_str(pretty=True).encode()
        (tmp / TOKENIZER).write_bytes(text)
        sha256 = hashlib.sha256(text).hexdigest()
        record = Record(
            name=corpus.name,
            description=corpus.description,
            licence=corpus.licence,
            tokenizer=tokenizer,
            tokenizer_sha256=sha256,
            vocab=made.get_vocab_size(),
            dtype=encoder.dtype.name,
            eos=eos,
            eos_id=eos_id,
            splits=splits,
            fingerprint=_digest([sha256, *(splits[name].sha256 for name in corpora.SPLITS)]),
            recipe=recipe,
        )
        (tmp / RECORD).write_bytes(record.to_json())
        atomic.replace_dir(tmp, out)
    return Dataset.open(out)


def pieces(lines: Iterable[str], eos: Eos, *, documents: bool = False) -> Iterator[tuple[str, bool]]:
    """Cut lines into what is encoded as one string; True where an end-of-text token follows.

    Args:
        lines: of the text; one without a newline goes on in the next.
        eos: see `prepare`.
        documents: each string is a document of many lines.
    """
    if documents and eos == "document":
        for unit in lines:
            parts = [text for text, _ in pieces(io.StringIO(unit), "none")] if unit.strip() else []
            yield from ((text, number == len(parts)) for number, text in enumerate(parts, 1))
        return
    if documents:
        lines = chain.from_iterable(map(io.StringIO, lines))
    if eos == "line":
        yield from _ended(lines)
        return
    buffer: list[str] = []
    size = 0
    for line, begins in _with_beginnings(lines) if eos == "document" else ((line, False) for line in lines):
        if buffer and (begins or size >= _PIECE):
            yield "".join(buffer), begins
            buffer, size = [], 0
        buffer.append(line)
        size += len(line)
    if buffer:
        yield "".join(buffer), eos == "document"


def _ended(lines: Iterable[str]) -> Iterator[tuple[str, bool]]:
    """Lines that are not blank, or go on with one that is not, and whether they end."""
    held, inside = "", False
    for line in lines:
        if inside or line.strip():
            if held:
                yield held, held.endswith("\n")
            held = line
        inside = not line.endswith("\n")
    if held:
        yield held, True


def _with_beginnings(lines: Iterable[str]) -> Iterator[tuple[str, bool]]:
    """Tell of each line whether a document begins with it.

    The first line that is not blank decides: if it is a heading, headings part the documents, else blank lines do,
    and are left out. A heading stands after a blank line: tables in WikiText have lines that only look like one.
    """
    by_heading: bool | None = None
    after_blank = True
    for line in lines:
        blank = line.isspace()
        heading = _HEADING.match(line) is not None
        if by_heading is None and not blank:
            by_heading = heading
        if by_heading or not blank:
            yield line, after_blank and not blank and (heading or not by_heading)
        after_blank = blank


class _Encoder:
    """Writes the stream of a split: encoded in batches, so that all cores work and memory stays small."""

    def __init__(self, tokenizer: Tokenizer, eos_id: int | None, eos: Eos) -> None:
        self._tokenizer = tokenizer
        self._eos_id = eos_id
        self._eos: Eos = eos
        self.dtype = np.dtype("<u2" if tokenizer.get_vocab_size() <= 1 << 16 else "<u4")

    def write(self, lines: Iterable[str], file: Path, *, documents: bool) -> SplitRecord:
        digest = hashlib.sha256()
        tokens = size = 0
        with file.open("wb") as stream:
            for batch in _batches(pieces(lines, self._eos, documents=documents)):
                ids = self._encode(batch)
                data = ids.tobytes()
                stream.write(data)
                digest.update(data)
                tokens += len(ids)
                size += sum(len(text.encode()) for text, _ in batch)
        return SplitRecord(tokens=tokens, bytes=size, sha256=digest.hexdigest())

    def _encode(self, batch: list[tuple[str, bool]]) -> np.ndarray:
        encoded = self._tokenizer.encode_batch_fast([text for text, _ in batch], add_special_tokens=False)
        ids: list[int] = []
        for (_, ends), encoding in zip(batch, encoded, strict=True):
            ids += encoding.ids
            if ends and self._eos_id is not None:
                ids.append(self._eos_id)
        return np.array(ids, self.dtype)


def _batches(texts: Iterable[tuple[str, bool]]) -> Iterator[list[tuple[str, bool]]]:
    batch: list[tuple[str, bool]] = []
    size = 0
    for piece in texts:
        batch.append(piece)
        size += len(piece[0])
        if size >= _BATCH:
            yield batch
            batch, size = [], 0
    if batch:
        yield batch


def _counted(lines: Iterable[str], stage: str, total: int, report: Progress) -> Iterator[str]:
    """The same lines, reporting bytes now and then."""
    done = reported = 0
    report(stage, 0, total)
    for line in lines:
        yield line
        done += len(line.encode())
        if done - reported >= _BATCH:
            report(stage, done, total)
            reported = done
    report(stage, done, total)


def _examine(lines: Lines, split: str, report: Progress) -> _Facts:
    digest = hashlib.sha256()
    size = 0
    words = False
    for line in lines:
        raw = line.encode()
        digest.update(raw)
        size += len(raw)
        words = words or not line.isspace()
    report(f"read {split}", size, size)
    if not words:
        raise EmptyTextError(f"{lines.where}: no text for the split '{split}': give a longer text")
    return _Facts(sha256=digest.hexdigest(), bytes=size)


def _recipe(facts: dict[str, _Facts], tokenizer: str, eos: Eos, documents: list[str]) -> str:
    """Digest of all that decides the result: contents, never names or times of files."""
    kind = tokenizer
    if tokenizer != "gpt2" and not tokenizer.startswith("bpe:"):
        kind = _digest([tokenizers_of.load(Path(tokenizer)).to_str()])
    texts = [facts[split].sha256 for split in corpora.SPLITS]
    return _digest([str(FORMAT_VERSION), *texts, kind, eos, *documents])


def _existing(out: Path, recipe: str) -> Dataset | None:
    """The intact dataset of this recipe at `out`, if there is one."""
    if not out.exists():
        return None
    if not out.is_dir() or (any(out.iterdir()) and not (out / RECORD).is_file()):
        raise WriteError(out, "something else is there: give the name of a new directory")
    try:
        dataset = Dataset.open(out)
        if dataset.record.recipe == recipe:
            dataset.verify()
            return dataset
    except PentaNetError:  # damaged or of another release: made anew
        pass
    return None


def _silent(stage: str, done: int, total: int) -> None:
    pass


def _digest(parts: list[str]) -> str:
    return hashlib.sha256(json.dumps(parts).encode()).hexdigest()

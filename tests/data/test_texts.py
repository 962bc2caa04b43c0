"""Lines, pieces of long lines and documents of JSON lines, and what is refused."""

from __future__ import annotations

import gzip
import json
from itertools import pairwise
from pathlib import Path

import pytest

from pentanet.data import texts
from pentanet.data.texts import LONGEST, read_units, whole_text
from pentanet.errors import DataError, EncodingError


def rows(file: Path, *found: object) -> Path:
    file.write_text("".join(json.dumps(row) + "\n" for row in found), encoding="utf-8")
    return file


def test_json_lines_are_documents(tmp_path: Path) -> None:
    file = rows(tmp_path / "a.jsonl", {"id": 1, "text": "One.\n\nStill \u00e9 one."}, {"text": "Two.\r\n"}, "Three")
    assert list(read_units(file)) == ["One.\n\nStill \u00e9 one.\n", "Two.\n", "Three\n"]
    assert whole_text(file) == "One.\n\nStill \u00e9 one.\n\nTwo.\n\nThree\n"
    packed = tmp_path / "b.jsonl.gz"
    packed.write_bytes(gzip.compress(file.read_bytes()))
    assert list(read_units(packed)) == list(read_units(file))


@pytest.mark.parametrize(
    ("row", "message"),
    [
        ('{"content": "a", "id": 3}', r"line 2: no text under the key 'text'; it has 'content', 'id': rename.*jq"),
        ('{"text": ["a"]}', "line 2: no text under the key 'text'"),
        ("[1]", "line 2: no text under the key 'text'"),
        ("just words", "line 2: not JSON"),
        ('{"text": "a\\u0000b"}', "line 2: has a NUL"),
        ('{"text": "a\\ud800b"}', "line 2: half of a surrogate pair"),
        ("[" * 100_000, "line 2: not JSON"),
    ],
)
def test_rows_without_a_text_are_named(tmp_path: Path, row: str, message: str) -> None:
    file = tmp_path / "a.jsonl"
    file.write_text('{"text": "fine"}\n' + row + "\n")
    with pytest.raises(DataError, match=message):
        list(read_units(file))


@pytest.mark.parametrize("name", ["a.json", "a.parquet", "a.arrow", "a.json.gz"])
def test_other_containers_are_refused_by_name(tmp_path: Path, name: str) -> None:
    (tmp_path / name).write_bytes(b"PAR1")
    with pytest.raises(DataError, match=r"\.jsonl"):
        list(read_units(tmp_path / name))


def test_a_long_line_comes_in_pieces_cut_before_words(tmp_path: Path) -> None:
    file = tmp_path / "text8.txt"
    line = " ".join(f"word{i}" for i in range(9000))
    file.write_text(line + "\nshort\n" + line)
    found = list(read_units(file))
    assert "".join(found) == line + "\nshort\n" + line
    assert max(map(len, found)) < 2 * LONGEST
    assert len(found) > 2 * len(line) // LONGEST
    inside = [piece for before, piece in pairwise(found) if not before.endswith("\n")]
    assert all(piece.startswith(" word") for piece in inside)
    assert "short\n" in found


def test_a_long_line_without_spaces_comes_in_pieces_too(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(texts, "LONGEST", 10)
    file = tmp_path / "a.txt"
    file.write_text("x" * 25 + "\n\n" + "y" * 10 + "\n")
    assert list(read_units(file)) == ["x" * 10, "x" * 10, "x" * 5 + "\n", "\n", "y" * 10, "\n"]


def test_nul_bytes_are_no_text(tmp_path: Path) -> None:
    file = tmp_path / "a.txt"
    file.write_bytes(b"fine\nf\0x\n")
    with pytest.raises(EncodingError, match=r"line 2 has a NUL byte: is this a text\?"):
        list(read_units(file))

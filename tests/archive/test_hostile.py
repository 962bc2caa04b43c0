"""Archives that are damaged, of a later version, or made by someone who means harm."""

from __future__ import annotations

import contextlib
import hashlib
import io
import json
import lzma
import shutil
import tracemalloc
from pathlib import Path
from types import SimpleNamespace

import numpy as np
import pytest
from packed import CONFIG, coded

from pentanet.archive import index as frame
from pentanet.archive.index import HEAD, TAIL
from pentanet.archive.read import unarchive
from pentanet.archive.text import compressed, expanded
from pentanet.archive.write import archive
from pentanet.errors import ArchiveError, MissingFileError, UnreadableFileError, VersionError, WriteError
from pentanet.format.model_dir import write_model
from pentanet.format.tensors import Plain

pytest.importorskip("pentanet._native", reason="the engine was not compiled")


@pytest.fixture(scope="module")
def small(tmp_path_factory):
    """The bytes of a small archive."""
    folder = tmp_path_factory.mktemp("small")
    made = {
        "a.weight": coded("pentanary", "pentanary-7bit", (16, 12), (16, 1)),
        "b.weight": coded("binary", "binary-1bit", (16, 32), (1, 1)),
        "c": Plain(np.linspace(-1, 1, 9, dtype=np.float32)),
    }
    write_model(folder / "model", config=CONFIG, tensors=made, method="pentanary", tokenizer=b"{}", card="#")
    archive(folder / "model", folder / "a.pnt")
    return (folder / "a.pnt").read_bytes()


@pytest.fixture
def open_(tmp_path):
    """Unarchive some bytes; what is refused leaves nothing behind."""

    def run(data):
        (tmp_path / "a.pnt").write_bytes(data)
        try:
            unarchive(tmp_path / "a.pnt", tmp_path / "out")
        except Exception:
            assert [path.name for path in tmp_path.iterdir()] == ["a.pnt"]
            raise
        shutil.rmtree(tmp_path / "out")

    return run


def signed(body):
    """A body with a checksum that fits."""
    return body + hashlib.sha256(body).digest()


def parts(data):
    """Streams, and the index as a tree."""
    length = int.from_bytes(data[-TAIL : 4 - TAIL], "little")
    tree = json.loads(expanded(data[-TAIL - length : -TAIL], 1 << 20, "x"))
    return data[len(HEAD) : -TAIL - length], tree


def joined(streams, tree):
    packed = compressed(json.dumps(tree).encode())
    return signed(HEAD + streams + packed + len(packed).to_bytes(4, "little"))


def test_the_whole_is_fine(small, open_):
    open_(small)
    open_(joined(*parts(small)))


def test_every_cut_and_every_changed_bit(small, open_):
    damaged = [small[:end] for end in range(len(small))] + [small + b"\0"]
    for bit in range(8 * len(small)):
        changed = bytearray(small)
        changed[bit // 8] ^= 1 << bit % 8
        damaged.append(bytes(changed))
    for number, one in enumerate(damaged):
        with pytest.raises((ArchiveError, VersionError), match=r"a\.pnt"):
            frame.open_index(io.BytesIO(one), Path("a.pnt"))
        if number % 200 == 0:  # which is where `unarchive` begins
            with pytest.raises((ArchiveError, VersionError), match=r"a\.pnt"):
                open_(one)


@pytest.mark.slow
def test_every_byte_changed_by_someone_who_corrects_the_checksum(small, open_):
    """An error, or a model that is one; the file checksums of the index see nearly all."""
    body = small[:-32]
    taken = 0
    for place in range(len(HEAD), len(body)):
        changed = bytearray(body)
        changed[place] ^= 1 << place % 8
        with contextlib.suppress(ArchiveError, VersionError):
            open_(signed(bytes(changed)))
            taken += 1
    assert taken < len(body) // 50
    for end in range(len(HEAD), len(body)):
        with pytest.raises(ArchiveError):
            open_(signed(body[:end]))


def test_a_later_version(small, open_):
    with pytest.raises(VersionError, match=r"version 2, but this release reads 1\. Use a later release"):
        open_(signed(small[:6] + b"\2\0" + small[8:-32]))


@pytest.mark.parametrize("data", [b"", b"PK\3\4 what is no archive", b"PNTARC", b"PNTARC\1\0" + bytes(40)])
def test_other_files(data, open_):
    with pytest.raises(ArchiveError):
        open_(data)


def test_no_file(tmp_path):
    with pytest.raises(MissingFileError):
        unarchive(tmp_path / "none", tmp_path / "out")
    with pytest.raises(UnreadableFileError):
        unarchive(tmp_path, tmp_path / "out")


def change(path, value):
    def apply(tree):
        at = tree
        for key in path[:-1]:
            at = at[key]
        at[path[-1]] = value(at[path[-1]]) if callable(value) else value

    return apply


CHANGES = [
    change(["files", 1, 0], "../README.md"),
    change(["files", 1, 0], "/etc/passwd"),
    change(["files", 1, 0], ".."),
    change(["files", 1, 0], "a\\b"),
    change(["files", 1, 0], "CONFIG.json"),
    change(["files", 1, 0], "x" * 256),
    change(["files", 1, 0], 7),
    change(["files", 0, 0], "other.json"),
    change(["files", 0, 1], 1 << 40),
    change(["files", 1, 1], lambda size: size + 1),
    change(["files", 1, 1], lambda size: size - 1),
    change(["files", 1, 1], True),
    change(["files", 1, 1], -1),
    change(["files", 1, 2], "0" * 64),
    change(["files", 1, 2], "0" * 63),
    change(["files", 1, 3], lambda size: size + 1),
    change(["files", -1, 1], lambda size: size + 64),
    change(["files", -1, 0], "weights"),
    change(["files"], []),
    change(["files"], None),
    change(["files"], lambda files: files[:1]),
    change(["tensors"], lambda tensors: tensors[1:]),
    change(["tensors"], lambda tensors: [*tensors, ["-", 0]]),
    change(["tensors", 0, 0], "x"),
    change(["tensors", 0, 0], "--"),
    change(["tensors", 0, 0], "c"),
    change(["tensors", 0, 0], "="),
    change(["tensors", 0, 0], "stored"),
    change(["tensors", 0, 1], lambda size: size - 1),
    change(["tensors", 0, 1], 1.5),
    change(["tensors", 0], ["-"]),
    change(["tensors", 0], lambda row: [*row, 0]),
    change(["tensors", 0], {}),
    change(["more"], 1),
]


@pytest.mark.parametrize("apply", CHANGES, ids=range(len(CHANGES)))
def test_an_index_that_lies(apply, small, open_):
    streams, tree = parts(small)
    tree.setdefault("more", None)
    del tree["more"]
    with contextlib.suppress(KeyError):
        apply(tree)
    if tree == parts(small)[1]:
        tree["more"] = 1
    with pytest.raises(ArchiveError, match=r"a\.pnt"):
        open_(joined(streams, tree))


def test_a_config_that_promises_a_giant(small, open_):
    """No memory is taken for what the shapes say."""
    streams, tree = parts(small)
    size = tree["files"][0][3]
    config = json.loads(expanded(streams[:size], 1 << 20, "x"))
    config["quantization_config"]["tensors"]["a.weight"]["shape"] = [1 << 40, 1 << 40]
    config["quantization_config"]["tensors"]["a.weight"]["scales"] = [1, 1]
    text = json.dumps(config).encode()
    packed = compressed(text)
    tree["files"][0] = ["config.json", len(text), hashlib.sha256(text).hexdigest(), len(packed)]
    data = joined(packed + streams[size:], tree)
    tracemalloc.start()
    with pytest.raises(ArchiveError):
        open_(data)
    assert tracemalloc.get_traced_memory()[1] < 50 << 20
    tracemalloc.stop()


def test_a_bomb(small, open_):
    """A file that expands beyond the size that its entry has is cut there."""
    streams, tree = parts(small)
    size, bomb = tree["files"][0][3], compressed(bytes(1 << 27))
    tree["files"][1][3] = len(bomb)
    rest = streams[size + parts(small)[1]["files"][1][3] :]
    data = joined(streams[:size] + bomb + rest, tree)
    tracemalloc.start()
    with pytest.raises(ArchiveError, match="not whole"):
        open_(data)
    assert tracemalloc.get_traced_memory()[1] < 50 << 20
    tracemalloc.stop()


def test_an_index_that_is_a_bomb(open_):
    packed = compressed(bytes(1 << 26))
    with pytest.raises(ArchiveError, match="not whole"):
        open_(signed(HEAD + packed + len(packed).to_bytes(4, "little")))


def test_a_disk_without_room(small, open_, monkeypatch):
    monkeypatch.setattr(shutil, "disk_usage", lambda _: SimpleNamespace(free=100))
    with pytest.raises(WriteError, match="and the disk has 100"):
        open_(small)


def test_compressed_bytes_of_another_kind():
    for data in (b"", b"\0\0", lzma.compress(b"a"), compressed(b"abc")[:-1], compressed(b"abc") + b"x"):
        with pytest.raises(ArchiveError):
            expanded(data, 100, "x")
    assert expanded(compressed(b"abc"), 3, "x") == b"abc"
    with pytest.raises(ArchiveError):
        expanded(compressed(b"abc"), 2, "x")


def test_sizes_of_the_frame():
    assert (frame.MAGIC, frame.VERSION, len(HEAD), TAIL) == (b"PNTARC", 1, 8, 36)

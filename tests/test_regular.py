"""Regular files only: neither a pipe nor a device nor a directory is read."""

from __future__ import annotations

import os
from pathlib import Path

import pytest

from pentanet.data import tokenizer
from pentanet.errors import DataError, UnreadableFileError, UnsafeFileError
from pentanet.format.container import open_tensors
from pentanet.format.model_dir import read_config
from pentanet.regular import own_file, read_regular

POSIX = pytest.mark.skipif(os.name == "nt", reason="named pipes and devices of POSIX")


def test_read_at_most_one_byte_more_than_the_limit(tmp_path: Path) -> None:
    path = tmp_path / "file"
    path.write_bytes(b"12345")
    assert read_regular(path, 5) == b"12345"
    assert read_regular(path, 3) == b"1234"
    (tmp_path / "link").symlink_to(path)
    assert read_regular(tmp_path / "link", 9) == b"12345"


@POSIX
@pytest.mark.parametrize("read", [read_config, open_tensors])
def test_a_pipe_does_not_hang_the_reader(tmp_path: Path, read: object) -> None:
    os.mkfifo(tmp_path / "pipe")
    assert callable(read)
    with pytest.raises(UnreadableFileError, match="not a regular file"):
        read(tmp_path / "pipe")


@POSIX
def test_a_tokenizer_is_a_regular_file(tmp_path: Path) -> None:
    os.mkfifo(tmp_path / "tokenizer.json")
    with pytest.raises(DataError, match="not a regular file"):
        tokenizer.load(tmp_path)
    with pytest.raises(OSError, match="not a regular file"):
        read_regular(Path("/dev/zero"), 9)


@POSIX
def test_a_directory_is_no_file(tmp_path: Path) -> None:
    with pytest.raises(OSError, match="directory"):
        read_regular(tmp_path, 9)


@POSIX
def test_what_is_no_own_file(tmp_path: Path) -> None:
    (tmp_path / "loop").symlink_to("loop")
    os.mkfifo(tmp_path / "pipe")
    (tmp_path / "dangling").symlink_to("nothing")
    for name in ("loop", "pipe"):
        with pytest.raises(UnsafeFileError, match=name):
            own_file(tmp_path, name)
    assert own_file(tmp_path, "dangling") is None
    assert own_file(tmp_path, "none") is None


@POSIX
def test_links_lead_within_the_directory_or_to_the_blobs_of_their_model(tmp_path: Path) -> None:
    model = tmp_path / "models--someone--a-model"
    snapshot = model / "snapshots" / "0123"
    for folder in (snapshot, model / "blobs", tmp_path / "models--someone--else" / "blobs"):
        folder.mkdir(parents=True)
        (folder / "0").write_text("{}")
    (snapshot / "within").symlink_to("0")
    (snapshot / "blob").symlink_to("../../blobs/0")
    (snapshot / "other").symlink_to("../../../models--someone--else/blobs/0")
    assert own_file(snapshot, "within") == snapshot / "within"
    assert own_file(snapshot, "blob") == snapshot / "blob"
    with pytest.raises(UnsafeFileError, match="other: is a link to"):
        own_file(snapshot, "other")

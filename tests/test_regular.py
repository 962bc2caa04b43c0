"""Regular files only: neither a pipe nor a device nor a directory is read."""

from __future__ import annotations

import os
from pathlib import Path

import pytest

from pentanet.data import tokenizer
from pentanet.errors import DataError, UnreadableFileError
from pentanet.format.container import open_tensors
from pentanet.format.model_dir import read_config
from pentanet.regular import read_regular

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

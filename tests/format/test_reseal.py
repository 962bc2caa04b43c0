"""Accepting an edit: the seal is written anew, and nothing else."""

from __future__ import annotations

import os
from pathlib import Path

import pytest

from pentanet import atomic
from pentanet.errors import ChecksumError, ModelConfigError, SealError, UnconfirmedWriteError, WriteError
from pentanet.format import container
from pentanet.format.model_dir import open_model
from pentanet.format.reseal import reseal
from pentanet.format.seal import SEALED


def listing(path: Path) -> list[str]:
    return sorted(entry.name for entry in path.iterdir())


def test_an_edit_is_accepted(model: Path) -> None:
    before = open_model(model).tensor_file
    files = listing(model)
    (model / "config.json").write_text((model / "config.json").read_text() + "\n")
    (model / "tokenizer.json").unlink()
    (model / "chat_template.jinja").write_text("{{ messages }}")
    with pytest.raises(SealError):
        open_model(model)
    found = reseal(model)
    assert found.written
    assert found.accepted == {"config.json": "changed", "tokenizer.json": "removed", "chat_template.jinja": "added"}
    after = open_model(model).tensor_file
    assert (after.header.slots, after.header.digests) == (before.header.slots, before.header.digests)
    assert after.data.tobytes() == before.data.tobytes()
    assert listing(model) == sorted([*files, "chat_template.jinja"][i] for i in (0, 1, 2, 4))


def test_a_seal_that_fits_is_not_written(model: Path) -> None:
    state = (model / "model.safetensors").stat()
    assert not (found := reseal(model)).written
    assert found.accepted == {}
    assert (model / "model.safetensors").stat().st_mtime_ns == state.st_mtime_ns


def test_a_directory_without_a_seal_gets_one(model: Path) -> None:
    original = (model / "model.safetensors").read_bytes()
    container.copy_tensors(container.open_tensors(model / "model.safetensors"), model / "old", {})
    (model / "old").replace(model / "model.safetensors")
    found = reseal(model)
    assert (found.written, dict(found.accepted)) == (True, dict.fromkeys(SEALED[:2], "not sealed"))
    assert (model / "model.safetensors").read_bytes() == original


def test_what_is_broken_otherwise_is_not_accepted(model: Path) -> None:
    file = model / "model.safetensors"
    good = file.read_bytes()
    (model / "config.json").write_text("{}")
    with pytest.raises(ModelConfigError, match="not a model packed by pentanet"):
        reseal(model)
    assert file.read_bytes() == good
    file.write_bytes(good[:-1] + bytes([good[-1] ^ 1]))
    with pytest.raises((ModelConfigError, ChecksumError)):
        reseal(model)


@pytest.mark.skipif(os.name == "nt", reason="POSIX permissions")
def test_permissions_stay(model: Path) -> None:
    (model / "model.safetensors").chmod(0o640)
    (model / "tokenizer.json").write_text("{ }")
    reseal(model)
    assert (model / "model.safetensors").stat().st_mode & 0o777 == 0o640


def test_a_link_into_a_cache_becomes_a_file(model: Path, tmp_path: Path) -> None:
    """What it leads to belongs to others, and keeps its content."""
    cache = tmp_path / "models--someone--a-model"
    for folder in ("snapshots", "blobs"):
        (cache / folder).mkdir(parents=True)
    model = model.rename(cache / "snapshots" / "0123")
    blob = (model / "model.safetensors").rename(cache / "blobs" / "0")
    content = blob.read_bytes()
    (model / "model.safetensors").symlink_to(blob)
    (model / "tokenizer.json").write_text("{ }")
    reseal(model)
    assert not (model / "model.safetensors").is_symlink()
    assert blob.read_bytes() == content
    open_model(model)


def test_a_failure_leaves_the_old_file(model: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    file = model / "model.safetensors"
    good, files = file.read_bytes(), listing(model)
    (model / "tokenizer.json").write_text("{ }")

    def fail(*_: object) -> None:
        raise OSError(28, "No space left on device")

    for module, call in ((atomic.os, "fsync"), (container, "copy_tensors"), (Path, "replace")):
        with monkeypatch.context() as patch:
            patch.setattr(module, call, fail)
            with pytest.raises(WriteError, match=r"model\.safetensors: not written: No space left"):
                reseal(model)
        assert file.read_bytes() == good
        assert listing(model) == files
    monkeypatch.setattr(atomic, "fsync_dir", fail)
    with pytest.raises(UnconfirmedWriteError, match="in its place"):
        reseal(model)
    open_model(model)

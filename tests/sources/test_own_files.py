"""What a link in a model directory may lead to, and what is copied beside the weights."""

from __future__ import annotations

from pathlib import Path

import pytest

from pentanet.errors import FormatError, MissingFileError, UnsafeFileError
from pentanet.format.model_dir import open_model
from pentanet.ptq.config import QuantizeConfig
from pentanet.ptq.run import quantize
from pentanet.sources import own_files
from pentanet.sources.open import open_source
from pentanet.sources.own_files import read_beside


@pytest.mark.parametrize("name", ["tokenizer_config.json", "LICENSE", "model.safetensors", "config.json", "README.md"])
def test_a_link_out_of_the_directory_is_refused_by_name(make, tmp_path, name):
    folder, secret = make(), tmp_path / "secret"
    if (folder / name).exists():
        (folder / name).rename(secret)
    else:
        secret.write_text("{}")
    (folder / name).symlink_to(secret)
    with pytest.raises(UnsafeFileError, match=rf"{name}: is a link to .*secret"):
        open_source(folder)


def test_a_link_within_the_directory_is_followed(make):
    folder = make()
    (folder / "model.safetensors").rename(folder / "weights")
    (folder / "model.safetensors").symlink_to("weights")
    (folder / "LICENSE").write_text("as you like")
    (folder / "LICENSE.txt").symlink_to("LICENSE")
    assert open_source(folder).files["LICENSE.txt"] == b"as you like"


def cached(folder: Path, root: Path) -> Path:
    """The directory as the cache of the hub keeps it: links to blobs."""
    model = root / "models--someone--a-model"
    snapshot, blobs = model / "snapshots" / "0123abcd", model / "blobs"
    snapshot.mkdir(parents=True)
    blobs.mkdir()
    for i, file in enumerate(sorted(folder.iterdir())):
        file.rename(blobs / str(i))
        (snapshot / file.name).symlink_to(Path("../../blobs") / str(i))
    return snapshot


def test_a_snapshot_in_the_cache_of_the_hub_is_followed_to_its_blobs(make, tmp_path):
    snapshot = cached(make(), tmp_path)
    source = open_source(snapshot)
    assert "tokenizer.json" in source.files
    assert source.facts["base_model"] == "someone/a-model"
    with pytest.raises(MissingFileError, match=r"name a snapshot in it, for example .*snapshots"):
        open_source(snapshot.parent.parent)


def test_a_snapshot_may_not_lead_out_of_its_blobs(make, tmp_path):
    snapshot = cached(make(), tmp_path)
    (tmp_path / "models--someone--else" / "blobs").mkdir(parents=True)
    other = tmp_path / "models--someone--else" / "blobs" / "0"
    other.write_text("{}")
    (snapshot / "generation_config.json").symlink_to(other)
    with pytest.raises(UnsafeFileError, match=r"generation_config\.json"):
        open_source(snapshot)


def test_a_file_that_is_too_large(tmp_path, monkeypatch):
    monkeypatch.setattr(own_files, "MAX_BESIDE", 10)
    (tmp_path / "NOTICE").write_bytes(b"0123456789a")
    with pytest.raises(FormatError, match="NOTICE: larger than 10"):
        read_beside(tmp_path)


def test_licence_and_language_go_into_the_card(make, tmp_path):
    folder = make()
    (folder / "README.md").write_text('---\nlanguage:\n- en\nlicense: "apache-2.0"\ntags: [a]\n---\nlicense: other\n')
    (folder / "LICENSE").write_text("the terms")
    quantize(open_source(folder), tmp_path / "out", QuantizeConfig(grid="int8"))
    card = (tmp_path / "out" / "README.md").read_text()
    assert 'license: "apache-2.0"' in card
    assert '- "en"' in card
    assert "not aligned" not in card
    assert (tmp_path / "out" / "LICENSE").read_text() == "the terms"
    assert open_model(tmp_path / "out").method == "rtn"

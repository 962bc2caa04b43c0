"""A model directory goes into an archive and comes out byte by byte; what the archive takes, and what it refuses."""

from __future__ import annotations

import json
import shutil

import numpy as np
import pytest
from packed import CONFIG, coded, model, pristine, tensors  # noqa: F401  (fixtures)

from pentanet.archive import streams
from pentanet.archive.read import unarchive
from pentanet.archive.report import Counts
from pentanet.archive.write import archive
from pentanet.codes import Codes
from pentanet.errors import ArchiveError, FormatError, WriteError
from pentanet.format.layouts import LAYOUTS
from pentanet.format.model_dir import write_model
from pentanet.format.reseal import reseal
from pentanet.format.tensors import Coded, Plain
from pentanet.grid import GRIDS, TERNARY

pytest.importorskip("pentanet._native", reason="the engine was not compiled")


def content(folder):
    return {path.name: path.read_bytes() for path in folder.iterdir()}


def write(folder, tensors, **more):  # noqa: F811
    write_model(folder, config=CONFIG, tensors=tensors, method="pentanary", tokenizer=b"{}", card="#", **more)
    return folder


def back(folder, tmp_path):
    """The report of archiving a directory, once every byte of it came back."""
    found = archive(folder, tmp_path / "a.pnt")
    unarchive(tmp_path / "a.pnt", tmp_path / "back")
    assert content(tmp_path / "back") == content(folder)
    assert found.bytes == (tmp_path / "a.pnt").stat().st_size
    assert found.raw_bytes == sum(map(len, content(folder).values()))
    return found


def test_every_byte_comes_back(model, tmp_path):  # noqa: F811
    (model / "merges.txt").write_bytes(bytes(range(256)) * 9)
    (model / "empty").touch()
    found = back(model, tmp_path)
    assert [row.name for row in found.streams[:5]] == [
        "config.json",
        "README.md",
        "empty",
        "merges.txt",
        "tokenizer.json",
    ]
    assert {row.kind for row in found.streams} == {"file", "header", "levels", "numbers"}
    json.dumps(found.to_dict(), allow_nan=False)


PAIRS = [(layout.name, grid) for layout in LAYOUTS.values() for grid in GRIDS.values() if layout.accepts(grid)]


@pytest.mark.parametrize(("layout", "grid"), PAIRS, ids=str)
def test_every_layout_and_grid(layout, grid, tmp_path, monkeypatch):
    monkeypatch.setattr(streams, "CHUNK", 1 << 9)  # several chunks, the last one ragged
    random = np.random.default_rng(0)
    made = {}
    for number, (rows, cols, groups) in enumerate([(1, 4, 1), (37, 60, 3), (64, 132, 1)]):
        levels = LAYOUTS[layout].draw(random, grid, rows, cols)
        scales = random.uniform(0.1, 1, (rows, groups)).astype(np.float32)
        made[f"m{number}"] = Coded(Codes(levels, scales, grid), layout)
    back(write(tmp_path / "model", made), tmp_path)


@pytest.mark.parametrize("count", [2, 3])
def test_planes_and_what_one_says_of_the_next(count, tmp_path):
    random = np.random.default_rng(1)
    first = random.integers(-1, 2, (64, 200)).astype(np.int8)
    planes = [first] + [first * random.integers(0, 2, first.shape, np.int8) for _ in range(count - 1)]
    levels = np.concatenate(planes, axis=1)
    codes = Codes(levels, random.uniform(0.1, 1, (64, count)).astype(np.float32), TERNARY, planes=count)
    found = back(write(tmp_path / "model", {"m": Coded(codes, "ternary-5in8")}), tmp_path)
    row = next(row for row in found.streams if row.name == "m")
    assert row.codes == levels.size
    assert row.bytes < 0.8 * row.entropy_bound_bytes


def test_plain_tensors_of_all_shapes(tmp_path, monkeypatch):
    monkeypatch.setattr(streams, "CHUNK", 100)
    random = np.random.default_rng(2)
    made = {"m": coded("binary", "binary-1bit", (16, 8), (1, 1))}
    for dtype in ("bfloat16", "float32"):
        for shape in ((), (1,), (99,), (100,), (101,), (7, 30), (2, 3, 4, 5)):
            name = f"{dtype}.{'x'.join(map(str, shape))}"
            made[name] = Plain(random.normal(size=shape).astype(np.float32), dtype)
    back(write(tmp_path / "model", made), tmp_path)


def test_directories_that_were_not_written_in_one_go(model, tmp_path):  # noqa: F811
    """Another order of the tensors in config.json, files that the seal does not name, an edit with a new seal."""
    config = json.loads((model / "config.json").read_text())
    section = config["quantization_config"]
    section["tensors"] = dict(sorted(section["tensors"].items(), reverse=True))
    (model / "config.json").write_text(json.dumps(config))
    reseal(model)
    (model / "vocab.json").write_text("{}")
    back(model, tmp_path)


def test_a_link_to_a_file_becomes_a_file(model, tmp_path):  # noqa: F811
    shutil.move(model / "README.md", tmp_path / "elsewhere")
    (model / "README.md").symlink_to(tmp_path / "elsewhere")
    back(model, tmp_path)
    assert not (tmp_path / "back/README.md").is_symlink()


def test_both_can_replace_what_is_there(model, pristine, tmp_path):  # noqa: F811
    (tmp_path / "a.pnt").write_text("old")
    archive(model, tmp_path / "a.pnt", overwrite=True)
    (model / "README.md").write_text("changed")
    unarchive(tmp_path / "a.pnt", model, overwrite=True)
    assert content(model) == content(pristine)


# -- sizes ----------------------------------------------------------------------------------------------------------


def entropy_bytes(values):
    share = np.unique(values, return_counts=True)[1] / values.size
    return -(share * np.log2(share)).sum() * values.size / 8


def test_a_model_takes_at_most_a_five_hundredth_more_than_its_entropy(tmp_path):
    """Order 0 of each tensor, headers counted; computed here by other means than the coder's or the report's."""
    random = np.random.default_rng(3)
    made, bound = {}, 0.0
    for number in range(6):
        levels = (random.normal(size=(1152, 576)) / 0.8).round().clip(-2, 2).astype(np.int8)
        codes = Codes(levels, np.full((1152, 1), 0.25, np.float32), GRIDS["pentanary"])
        made[f"layer.{number}.weight"] = Coded(codes, "pentanary-7bit")
        bound += entropy_bytes(levels)
    levels = (30 * random.normal(size=(8192, 256))).round().clip(-127, 127).astype(np.int8)
    made["embedding"] = Coded(Codes(levels, np.full((8192, 1), 0.25, np.float32), GRIDS["int8"]), "byte")
    bound += entropy_bytes(levels)
    found = back(write(tmp_path / "model", made), tmp_path)
    assert bound < found.bytes < 1.002 * bound
    assert sum(row.entropy_bound_bytes for row in found.streams if row.kind == "levels") == pytest.approx(bound)


def test_what_cannot_shrink_is_stored(tmp_path):
    levels = np.random.default_rng(4).choice(np.array([-1, 1], np.int8), (160, 320))
    codes = Codes(levels, np.ones((160, 1), np.float32), GRIDS["binary"])
    found = back(write(tmp_path / "model", {"m": Coded(codes, "binary-1bit")}), tmp_path)
    row = next(row for row in found.streams if row.name == "m")
    assert row.bytes == row.raw_bytes == 160 * 320 // 8


def test_entropy_of_counts():
    counts = Counts(2)
    counts.add(0, np.array([-1, 0, 0, 1], np.int8))
    counts.add(0, np.array([2, 2], np.int8))
    counts.add(1, np.array([7] * 9, np.uint8))
    assert counts.bits == pytest.approx(8 * entropy_bytes(np.array([-1, 0, 0, 1, 2, 2])))


# -- what is refused ------------------------------------------------------------------------------------------------


def test_a_folder_in_the_directory(model, tmp_path):  # noqa: F811
    (model / ".cache").mkdir()
    with pytest.raises(ArchiveError, match=r"\.cache: not a file"):
        archive(model, tmp_path / "a.pnt")


@pytest.mark.parametrize("name", ["a:b", "a\\b", "tab\t", 'quo"te', "readme.MD", "\udcff"])
def test_names_that_not_every_system_takes(name, model, tmp_path):  # noqa: F811
    (model / name).touch()
    with pytest.raises(ArchiveError, match=r"Rename it|Rename one"):
        archive(model, tmp_path / "a.pnt")
    assert not (tmp_path / "a.pnt").exists()


def test_a_directory_that_is_no_model_or_a_damaged_one(model, tmp_path):  # noqa: F811
    (tmp_path / "other").mkdir()
    with pytest.raises(Exception, match=r"config\.json: no such file"):
        archive(tmp_path / "other", tmp_path / "a.pnt")
    data = bytearray((model / "model.safetensors").read_bytes())
    data[-1] ^= 1
    (model / "model.safetensors").write_bytes(data)
    with pytest.raises(FormatError, match="sha256"):
        archive(model, tmp_path / "a.pnt")
    assert sorted(path.name for path in tmp_path.iterdir()) == ["model", "other"]


def test_levels_that_no_encoder_writes(tmp_path):
    """Checksums alone do not look at codes; an archive of them could not give them back."""
    write(tmp_path / "model", {"m": coded("pentanary", "pentanary-7bit", (16, 12), (1, 1))})
    file = tmp_path / "model/model.safetensors"
    data = bytearray(file.read_bytes())
    start = 8 + int.from_bytes(data[:8], "little")
    import hashlib

    before = hashlib.sha256(data[start : start + 64]).hexdigest().encode()
    data[start : start + 56] = b"\xff" * 56
    after = hashlib.sha256(data[start : start + 64]).hexdigest().encode()
    file.write_bytes(bytes(data).replace(before, after))
    with pytest.raises(FormatError, match="not a code"):
        archive(tmp_path / "model", tmp_path / "a.pnt")
    assert [path.name for path in tmp_path.iterdir()] == ["model"]


def test_targets_that_are_in_use(model, tmp_path):  # noqa: F811
    with pytest.raises(WriteError, match="in the directory that is archived"):
        archive(model, model / "a.pnt")
    archive(model, tmp_path / "a.pnt")
    with pytest.raises(WriteError, match="--overwrite"):
        archive(model, tmp_path / "a.pnt")
    with pytest.raises(WriteError, match="there already"):
        archive(model, tmp_path, overwrite=True)
    with pytest.raises(WriteError, match="--overwrite"):
        unarchive(tmp_path / "a.pnt", model)


def test_a_matrix_with_too_many_inputs(tmp_path, monkeypatch):
    write(tmp_path / "model", {"m": coded("pentanary", "pentanary-7bit", (16, 120), (1, 1))})
    monkeypatch.setattr(streams, "MAX_INPUTS", 100)
    with pytest.raises(ArchiveError, match="tensor 'm': a matrix of more than 100 inputs"):
        archive(tmp_path / "model", tmp_path / "a.pnt")

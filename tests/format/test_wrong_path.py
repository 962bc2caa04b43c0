"""What is named by mistake, and the command that the error names."""

from __future__ import annotations

from pathlib import Path

import pytest

from pentanet.errors import MissingFileError, ModelConfigError
from pentanet.format.model_dir import open_model
from pentanet.format.wrong_path import advice


def files(folder: Path, *names: str) -> Path:
    for name in names:
        (folder / name).parent.mkdir(parents=True, exist_ok=True)
        (folder / name).touch()
    return folder


def test_each_thing_gets_the_command_that_takes_it(tmp_path: Path) -> None:
    run = files(tmp_path / "run", "config.toml", "data.json", "checkpoints/step_00000005/manifest.json")
    assert f"pentanet pack {run}" in advice(run)
    assert f"pentanet pack {run}" in advice(run / "checkpoints/step_00000005")
    assert "pentanet report" in advice(files(tmp_path / "bench", "summary.json"))
    assert "pentanet train --data" in advice(files(tmp_path / "set", "dataset.json"))
    files(tmp_path, "a.gguf", "a.safetensors", "a.txt")
    for command in ("quantize", "import", "generate", "eval"):
        assert command in advice(tmp_path / "a.gguf")
    assert "name the folder that it is in" in advice(tmp_path / "a.safetensors")
    assert "is a file" in advice(tmp_path / "a.txt")


def test_the_cache_of_the_hub_names_a_snapshot(tmp_path: Path) -> None:
    snapshot = tmp_path / "models--org--name/snapshots/0123"
    files(snapshot, "config.json")
    for place in (tmp_path, tmp_path / "models--org--name"):
        assert str(snapshot) in advice(place)
    (snapshot / "config.json").unlink()
    snapshot.rmdir()
    assert "no snapshot" in advice(tmp_path / "models--org--name")


def test_a_name_on_the_hub_is_not_downloaded(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    assert "hf download org/name --local-dir name" in advice(Path("org/name"))
    (tmp_path / "org").mkdir()
    for path in (Path("org/name"), Path("nowhere"), Path("a/b/c"), tmp_path / "x"):
        assert advice(path) == "Expected a model directory, which has one."


def test_errors_say_it(tmp_path: Path) -> None:
    run = files(tmp_path / "run", "config.toml", "data.json")
    with pytest.raises(MissingFileError, match=f"run/config.json: no such file.*pentanet pack {run}"):
        open_model(run)
    (tmp_path / "config.json").write_text("{}")
    with pytest.raises(ModelConfigError, match="`pentanet quantize` packs"):
        open_model(tmp_path)

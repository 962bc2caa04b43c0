"""What a path is that was named where a model directory was expected, and the command that the user wants."""

from __future__ import annotations

import re
from pathlib import Path

_HUB_ID = re.compile(r"[A-Za-z0-9][\w.-]*/[A-Za-z0-9][\w.-]*")
_EXPECTED = "Expected a model directory, which has one."


def advice(path: Path) -> str:
    """A sentence for an error: what the path is, and what to do about it."""
    if path.is_file():
        return _of_file(path)
    if path.is_dir():
        return _of_folder(path)
    if _HUB_ID.fullmatch(path.as_posix()) and not path.parent.exists():
        name = path.as_posix()
        return (
            f"If this is a model of the Hugging Face hub, download it first: hf download {name} --local-dir "
            f"{path.name}. Then name the folder {path.name}."
        )
    return _EXPECTED


def _of_file(path: Path) -> str:
    if path.suffix == ".gguf":
        return (
            f"{path} is a GGUF file: `pentanet quantize` shrinks it, `pentanet import` reads one that is quantized "
            "already, and `pentanet generate`, `chat` and `eval` run it as it is."
        )
    if path.suffix == ".safetensors":
        return f"{path} is a file of a model: name the folder that it is in."
    return f"{path} is a file. {_EXPECTED}"


def _of_folder(path: Path) -> str:
    if (path / "config.toml").is_file() and (path / "data.json").is_file():
        return f"{path} is a training run: `pentanet pack {path}` makes a model directory of it."
    if (path / "manifest.json").is_file() and path.parent.name == "checkpoints":
        run = path.parent.parent
        return f"{path} is a checkpoint of the training run {run}: `pentanet pack {run}` makes a model directory of it."
    if (path / "summary.json").is_file():
        return f"{path} is a benchmark: `pentanet report {path}` draws it, and its models are in {path}/runs."
    if (path / "dataset.json").is_file():
        return f"{path} is a prepared text: `pentanet train --data {path}` trains on it."
    if (path / "snapshots").is_dir():
        return f"{path} is a model in the hub's cache: {_snapshot(path)}"
    if models := sorted(path.glob("models--*/snapshots")):
        return f"{path} is the hub's cache: {_snapshot(models[0].parent)}"
    return _EXPECTED


def _snapshot(model: Path) -> str:
    found = sorted(child for child in (model / "snapshots").iterdir() if child.is_dir())
    return (
        f"name a snapshot in it, for example {found[-1]}" if found else "it has no snapshot; download the model again."
    )

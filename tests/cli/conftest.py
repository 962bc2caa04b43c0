"""The command line in this process, a finished run, and its packed model."""

from __future__ import annotations

import json
import os
import shutil
import signal
import subprocess
import sys
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pytest
import torch
from safetensors.torch import save_file

from pentanet.cli import main
from pentanet.config import to_toml
from pentanet.data.dataset import Dataset
from pentanet.families import config_from_hub
from pentanet.families.tensor_table import hub_shapes
from pentanet.training.pack import pack
from pentanet.training.run import train


@dataclass(frozen=True, kw_only=True, slots=True)
class Result:
    """What a command left: its exit code and what it printed."""

    code: int
    out: str
    err: str


@pytest.fixture
def pentanet(capsys: pytest.CaptureFixture[str]) -> Callable[..., Result]:
    """Run a command in this process."""

    def run(*arguments: object) -> Result:
        try:
            main([str(argument) for argument in arguments])
            code = 0
        except SystemExit as error:
            code = error.code if isinstance(error.code, int) else 1
        return Result(code=code, **capsys.readouterr()._asdict())

    return run


@pytest.fixture
def refuse(pentanet: Callable[..., Result]) -> Callable[..., str]:
    """Run a command that must end with exit code 2 and one line on standard error; returns that line."""

    def run(*arguments: object) -> str:
        result = pentanet(*arguments)
        *before, line = result.err.splitlines()
        assert result.code == 2, result
        assert line.startswith("pentanet: "), result.err
        assert not [other for other in before if "Error" in other or "Traceback" in other], result.err
        assert result.out == ""
        return line

    return run


@pytest.fixture(scope="session")
def command() -> list[str]:
    """How a process of its own is started with the command line; warnings are errors there too."""
    return [sys.executable, "-W", "error", "-m", "pentanet"]


@pytest.fixture
def start(command: list[str]) -> Iterator[Callable[..., subprocess.Popen[str]]]:
    """Start a command in a process of its own; what a failed test leaves running is ended.

    It heeds Ctrl-C even where the tests run in the background of a shell, which makes its jobs ignore it.
    """
    started: list[subprocess.Popen[str]] = []
    before = signal.signal(signal.SIGINT, signal.default_int_handler)  # what is not ignored is the default in a child

    def run(*arguments: object, **options: Any) -> subprocess.Popen[str]:
        pipes = {"stdout": subprocess.PIPE, "stderr": subprocess.PIPE, "text": True}
        environment = {**os.environ, "COLUMNS": "200"}
        started.append(subprocess.Popen([*command, *map(str, arguments)], env=environment, **{**pipes, **options}))
        return started[-1]

    yield run
    for process in started:
        with process:  # closes its pipes, and waits
            process.kill()
    signal.signal(signal.SIGINT, before)


@pytest.fixture(scope="session")
def recipe(tmp_path_factory: pytest.TempPathFactory, configure: Callable[..., Any]) -> Path:
    """A configuration file of a run that takes a moment."""
    path = tmp_path_factory.mktemp("recipe") / "small.toml"
    path.write_text(to_toml(configure()), encoding="utf-8")
    return path


@pytest.fixture(scope="session")
def finished(tmp_path_factory: pytest.TempPathFactory, configure: Callable[..., Any], tiny: Dataset) -> Path:
    """A finished run; not to be changed."""
    folder = tmp_path_factory.mktemp("finished") / "run"
    train(configure("llama", f'data.source="{tiny.path}"'), folder, tiny)
    return folder


@pytest.fixture(scope="session")
def packed(finished: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Its packed model; not to be changed."""
    out = tmp_path_factory.mktemp("packed") / "model"
    pack(finished, out)
    return out


@pytest.fixture
def pretrained(packed: Path, tmp_path: Path) -> Path:
    """A pretrained model with random weights and the tokenizer of the packed one, which is no source itself."""
    sizes = json.loads((packed / "config.json").read_text())
    del sizes["quantization_config"]
    config = {**sizes, "model_type": "llama"}
    shapes = hub_shapes(config_from_hub(config), config["vocab_size"])
    folder = tmp_path / "pretrained"
    folder.mkdir()
    (folder / "config.json").write_text(json.dumps(config))
    shutil.copy(packed / "tokenizer.json", folder)
    save_file({name: 0.1 * torch.randn(shape) for name, shape in shapes.items()}, folder / "model.safetensors")
    return folder


@pytest.fixture
def model(packed: Path, tmp_path: Path) -> Path:
    """A copy of the packed model that a test may spoil."""
    return Path(shutil.copytree(packed, tmp_path / "model"))

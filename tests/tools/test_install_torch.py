"""The rules that keep a CUDA build off a machine without a GPU."""

from __future__ import annotations

import importlib.util
import tomllib
from pathlib import Path
from types import SimpleNamespace

import pytest

ROOT = Path(__file__).parents[2]


@pytest.fixture(scope="module")
def tool():
    spec = importlib.util.spec_from_file_location("install_torch", ROOT / "tools/install_torch.py")
    assert spec is not None
    assert spec.loader is not None
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module


@pytest.mark.parametrize(
    ("wanted", "system", "gpu", "build"),
    [
        ("auto", "Linux", False, "cpu"),
        ("auto", "Linux", True, "default"),
        ("auto", "Darwin", False, "default"),
        ("cpu", "Linux", True, "cpu"),
        ("default", "Linux", False, "default"),
    ],
)
def test_build_follows_the_machine_unless_it_is_named(tool, wanted, system, gpu, build):
    assert tool.choose_build(wanted, system=system, gpu=gpu) == build


def test_cpu_build_is_asked_for_by_its_exact_local_version_first(tool):
    first = tool.attempts("cpu")[0]
    assert first[-1] == f"torch=={tool.VERSION}+cpu"
    assert first[first.index("--extra-index-url") + 1] == tool.CPU_INDEX


def run_with(tool, monkeypatch, codes):
    """Run `install("cpu")` with pip's exit codes given; returns the result and the requirements tried."""
    tried = []

    def run(command, **_):
        tried.append(command[-1])
        return SimpleNamespace(returncode=codes[len(tried) - 1])

    monkeypatch.setattr(tool.subprocess, "run", run)
    return tool.install("cpu"), tried


def test_default_build_is_not_touched_when_the_cpu_build_installs(tool, monkeypatch):
    assert run_with(tool, monkeypatch, [0]) == (0, [f"torch=={tool.VERSION}+cpu"])


def test_default_build_is_the_last_resort_and_is_announced(tool, monkeypatch, capsys):
    assert run_with(tool, monkeypatch, [1, 0]) == (0, [f"torch=={tool.VERSION}+cpu", f"torch=={tool.VERSION}"])
    assert "several GB" in capsys.readouterr().out


def test_failure_of_every_attempt_is_reported(tool, monkeypatch):
    assert run_with(tool, monkeypatch, [1, 2])[0] == 2


def test_a_driver_without_a_gpu_does_not_count(tool, monkeypatch):
    monkeypatch.setattr(tool.shutil, "which", lambda _: "nvidia-smi")
    for code, listing, found in [(0, "GPU 0: something", True), (9, "", False), (0, "No devices were found", False)]:
        answer = SimpleNamespace(returncode=code, stdout=listing)
        monkeypatch.setattr(tool.subprocess, "run", lambda *_, answer=answer, **__: answer)
        assert tool.has_nvidia_gpu() is found


def test_pinned_version_lies_in_the_range_of_the_package(tool):
    project = tomllib.loads((ROOT / "pyproject.toml").read_text())["project"]
    (requirement,) = [r for r in project["dependencies"] if r.startswith("torch>=")]
    lowest, below = requirement.removeprefix("torch>=").split(",<")
    assert version(lowest) <= version(tool.VERSION) < version(below)


def version(text):
    return tuple(int(part) for part in text.split("."))

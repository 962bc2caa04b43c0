"""An engine that does not compile leaves a package that works and says why; so its absence must be noticed here."""

from __future__ import annotations

import os
import runpy
import shutil
import subprocess
from pathlib import Path

import pytest

from pentanet.cli import main
from pentanet.doctor import doctor
from pentanet.errors import EngineError
from pentanet.kernels import native

NATIVE = Path(__file__).parents[2] / "native"
needs_compiler = pytest.mark.skipif(shutil.which("c++") is None or shutil.which("cmake") is None, reason="no compiler")


@pytest.mark.skipif(shutil.which("c++") is None, reason="no compiler")
def test_the_engine_was_compiled_where_there_is_a_compiler() -> None:
    assert native.available(), "it did not compile: see `pip install --verbose --editable .`"


def configure(folder: Path, *settings: str, **environment: str) -> subprocess.CompletedProcess[str]:
    call = ["cmake", "-S", str(NATIVE), "-B", str(folder), "-DPENTANET_MODULE=OFF", *settings]
    known = {name: value for name, value in os.environ.items() if name != "PENTANET_REQUIRE_NATIVE"}
    return subprocess.run(call, env=known | environment, capture_output=True, text=True, check=False)


def installed_reason(folder: Path) -> str:
    done = subprocess.run(["cmake", "--install", str(folder), "--prefix", str(folder / "to")], check=False)
    assert done.returncode == 0
    return runpy.run_path(str(folder / "to" / "pentanet" / "_native_missing.py"))["REASON"]


@needs_compiler
def test_no_compiler_is_noted_and_looked_for_again(tmp_path: Path) -> None:
    nowhere = str(tmp_path / 'no "c++"')
    done = configure(tmp_path / "build", CXX=nowhere)
    assert done.returncode == 0, done.stderr
    assert "installed without its native engine: there was no working C++ compiler" in " ".join(done.stderr.split())
    assert installed_reason(tmp_path / "build").startswith("there was no working C++ compiler, with CXX=")
    assert configure(tmp_path / "build").returncode == 0
    assert "CMAKE_CXX_COMPILER:" in (tmp_path / "build" / "CMakeCache.txt").read_text()
    assert configure(tmp_path / "other", CXX=nowhere, PENTANET_REQUIRE_NATIVE="1").returncode != 0


@needs_compiler
def test_a_compiler_that_failed_is_named(tmp_path: Path) -> None:
    done = configure(tmp_path / "build", "-DPENTANET_FAILED=ON")
    assert done.returncode == 0, done.stderr
    assert "++ failed to compile it; pip install --verbose" in installed_reason(tmp_path / "build")
    assert configure(tmp_path / "build", "-DPENTANET_FAILED=ON", PENTANET_REQUIRE_NATIVE="1").returncode != 0


def test_the_note_is_shown(tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]) -> None:
    monkeypatch.setattr(native, "_NAME", "pentanet._not_there")
    monkeypatch.setattr(native, "_NOTE", "pentanet_test_note")
    assert native.why_missing() == "the installation does not say why"
    (tmp_path / "pentanet_test_note.py").write_text('REASON = "c++ [1] failed"')
    monkeypatch.syspath_prepend(tmp_path)
    assert doctor().engine == "torch (the native engine was not compiled: c++ [1] failed)"
    with pytest.raises(EngineError, match=r"when pentanet was installed: c\+\+ \[1\] failed\."):
        native.require()
    with pytest.raises(SystemExit):
        main(["generate", str(tmp_path / "no model")])
    assert "was not compiled (c++ [1] failed); generating slowly" in " ".join(capsys.readouterr().err.split())

"""The native test program: compiled with the compiler of this machine, plainly, under the sanitizers, and emulated."""

from __future__ import annotations

import os
import shutil
import subprocess
import sys
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[2]

pytestmark = [
    pytest.mark.skipif(shutil.which("cmake") is None or shutil.which("c++") is None, reason="no compiler"),
    pytest.mark.skipif(sys.platform == "win32", reason="the engine is built with gcc or clang"),
]


def build(folder: Path, *settings: str) -> Path:
    configure = ["cmake", "-S", str(ROOT / "native"), "-B", str(folder), *settings]
    options = ["-DPENTANET_MODULE=OFF", "-DPENTANET_TESTS=ON", "-DPENTANET_WERROR=ON"]
    for command in ([*configure, *options], ["cmake", "--build", str(folder), "--parallel", "2"]):
        done = subprocess.run(command, capture_output=True, text=True, check=False)
        assert done.returncode == 0, done.stdout[-4000:] + done.stderr[-4000:]
    return folder / "pentanet_tests"


def output(program: Path, every: int = 1) -> str:
    done = subprocess.run([program, str(every)], capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stdout[-4000:] + done.stderr[-8000:]
    assert " 0 failures" in done.stdout
    return done.stdout


def has_header(name: str) -> bool:
    if shutil.which("c++") is None:
        return False
    source = f"#include <{name}>"
    done = subprocess.run(["c++", "-E", "-x", "c++", "-"], input=source, capture_output=True, text=True, check=False)
    return done.returncode == 0


@pytest.mark.slow
@pytest.mark.parametrize("sanitizers", ["", "address,undefined", "thread"])
def test_the_program_finds_no_fault(tmp_path: Path, sanitizers: str) -> None:
    output(build(tmp_path / "build", f"-DPENTANET_SANITIZE={sanitizers}"))


@pytest.mark.slow
@pytest.mark.skipif("PENTANET_EMULATE" not in os.environ, reason="takes an hour; set PENTANET_EMULATE=1 to run it")
@pytest.mark.skipif(not has_header("simde/x86/avx512.h"), reason="no SIMDe (Debian: libsimde-dev)")
def test_instruction_sets_that_the_machine_lacks(tmp_path: Path) -> None:
    # With addresses checked: the shortest group of AVX-512 is smaller than its vector.
    printed = output(build(tmp_path / "build", "-DPENTANET_EMULATE=ON", "-DPENTANET_SANITIZE=address"), every=20)
    assert "instruction sets: scalar avx2 avx-vnni avx512" in printed

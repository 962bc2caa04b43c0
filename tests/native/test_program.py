"""The native test program: compiled with the compiler of this machine, plainly and under the sanitizers."""

from __future__ import annotations

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


def build(folder: Path, sanitizers: str) -> Path:
    configure = ["cmake", "-S", str(ROOT / "native"), "-B", str(folder), f"-DPENTANET_SANITIZE={sanitizers}"]
    options = ["-DPENTANET_MODULE=OFF", "-DPENTANET_TESTS=ON", "-DPENTANET_WERROR=ON"]
    for command in ([*configure, *options], ["cmake", "--build", str(folder), "--parallel", "2"]):
        done = subprocess.run(command, capture_output=True, text=True, check=False)
        assert done.returncode == 0, done.stdout[-4000:] + done.stderr[-4000:]
    return folder / "pentanet_tests"


@pytest.mark.slow
@pytest.mark.parametrize("sanitizers", ["", "address,undefined", "thread"])
def test_the_program_finds_no_fault(tmp_path: Path, sanitizers: str) -> None:
    program = build(tmp_path / "build", sanitizers)
    done = subprocess.run([program], capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stdout[-4000:] + done.stderr[-8000:]
    assert "0 failures" in done.stdout

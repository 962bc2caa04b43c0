"""The native test program on other processors, which qemu-user simulates: right answers, the same bits."""

from __future__ import annotations

import platform
import shutil
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

ARM = (
    "-DCMAKE_CXX_COMPILER=aarch64-linux-gnu-g++",
    "-DCMAKE_SYSTEM_NAME=Linux",
    "-DCMAKE_SYSTEM_PROCESSOR=aarch64",
    "-DCMAKE_EXE_LINKER_FLAGS=-static",  # qemu need not be told where the libraries of another machine are
)

pytestmark = [
    pytest.mark.slow,
    pytest.mark.skipif(shutil.which("cmake") is None or shutil.which("c++") is None, reason="no compiler"),
]


@pytest.mark.skipif(
    shutil.which("aarch64-linux-gnu-g++") is None or shutil.which("qemu-aarch64") is None,
    reason="no compiler or no simulation of aarch64 (Debian: g++-aarch64-linux-gnu qemu-user)",
)
@pytest.mark.parametrize(
    ("cpu", "isas"), [("max", ["scalar", "neon", "shift-add"]), ("cortex-a72", ["scalar", "shift-add"])]
)
def test_arm_with_and_without_the_dot_product(
    build: Callable[..., Path], run: Callable[..., Any], cpu: str, isas: list[str]
) -> None:
    found = run(build(*ARM), 5, "qemu-aarch64", "-cpu", cpu)
    assert found.isas == isas
    assert found.digest == run(build(), 1000).digest


@pytest.mark.skipif(
    shutil.which("qemu-x86_64") is None or platform.machine() != "x86_64",
    reason="no simulation of x86-64 (Debian: qemu-user)",
)
def test_x86_without_avx2(build: Callable[..., Path], run: Callable[..., Any]) -> None:
    found = run(build(), 5, "qemu-x86_64", "-cpu", "Nehalem")
    assert found.isas == ["scalar", "shift-add"]
    assert found.digest == run(build(), 1000).digest

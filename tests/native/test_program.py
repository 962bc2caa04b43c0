"""The native test program on this machine, built with each compiler and under the sanitizers."""

from __future__ import annotations

import platform
import shutil
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from pentanet.machine import machine

pytestmark = [
    pytest.mark.slow,
    pytest.mark.skipif(shutil.which("cmake") is None or shutil.which("c++") is None, reason="no compiler"),
    pytest.mark.skipif(sys.platform == "win32", reason="the engine is built with gcc or clang"),
]
CLANG = "-DCMAKE_CXX_COMPILER=clang++"
X86 = platform.machine() == "x86_64"


def expected_isas(*, vnni_by_avx512: bool = False) -> list[str]:
    """What the machine has, by another way than the program's own."""
    flags = machine().isa
    if not X86:
        return ["scalar"] + ["neon"] * ("asimddp" in flags) + ["shift-add"]
    avx512 = {"avx512f", "avx512_vnni", "avx512vbmi", "avx512_vbmi2", "gfni"} <= set(flags)
    vnni = avx512 if vnni_by_avx512 else "avx_vnni" in flags
    multiplying = ["scalar"] + ["avx2"] * ("avx2" in flags) + ["avx-vnni"] * vnni + ["avx512"] * avx512
    return multiplying + ["shift-add"] + ["shift-add-avx2"] * ("avx2" in flags)


def test_the_whole_table(build: Callable[..., Path], run: Callable[..., Any]) -> None:
    assert run(build(), 1).isas == expected_isas()


@pytest.mark.skipif(shutil.which("clang++") is None, reason="no clang++ (Debian: clang)")
def test_clang_gives_the_same_bits(build: Callable[..., Path], run: Callable[..., Any]) -> None:
    assert run(build(CLANG), 10) == run(build(), 1000)


@pytest.mark.parametrize("sanitizers", ["address,undefined", "thread"])
def test_sanitizers_find_no_fault(build: Callable[..., Path], run: Callable[..., Any], sanitizers: str) -> None:
    program = build(f"-DPENTANET_SANITIZE={sanitizers}", "-DPENTANET_VNNI_EVEX=ON")
    assert run(program, 7).isas == expected_isas(vnni_by_avx512=True)


@pytest.mark.skipif(shutil.which("nm") is None, reason="no nm")
def test_no_code_of_an_instruction_set_can_be_linked_into_another(build: Callable[..., Path]) -> None:
    # The linker keeps any one of the copies of a shared inline function, and machines without the set would run it.
    kernels = build().parent / "CMakeFiles/pentanet_core.dir/src/kernels"
    folders = ("avx2/*.o", "avx512/*.o", "neon*.o", "shift_add/avx2*.o")
    objects = [file for folder in folders for file in sorted(kernels.glob(folder))]
    listed = subprocess.run(["nm", "--print-file-name", *objects], capture_output=True, text=True, check=True).stdout
    own = listed.splitlines()
    kinds = [line.split()[-2] for line in own]
    assert len(kinds) > 50
    assert not [line for line, kind in zip(own, kinds, strict=True) if kind in "WVu" or "_GLOBAL__sub_I" in line]

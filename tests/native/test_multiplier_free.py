"""The sets without multiplication have none: their compiled code is disassembled, and so is one that multiplies."""

from __future__ import annotations

import platform
import re
import shutil
import subprocess
from pathlib import Path

import pytest

SOURCE = Path(__file__).parents[2] / "native"
X86 = platform.machine().lower() in {"x86_64", "amd64"}
SETS = ("shift_add/scalar", "shift_add/avx2") if X86 else ("shift_add/scalar",)
MULTIPLYING = ("scalar", "avx2/isa") if X86 else ("scalar",)

# Parts of mnemonics of x86-64 and ARM: products, fused and dotted ones, and what is no cheaper.
MULTIPLIES = re.compile(r"mul|mad|msub|mla|mls|fma|fms|fnm|dot|dpb|dpw|dpp|div|sqrt|rcp|rsq")
# Layouts in memory, by their number in layout.h: 2-bit ternary, binary, nibble, byte, pentanary nibbles.
LAYOUTS = (2, 4, 5, 6, 7)

needs_tools = pytest.mark.skipif(
    not all(map(shutil.which, ("cmake", "make", "c++", "objdump"))), reason="needs cmake, a compiler and binutils"
)


@pytest.fixture(scope="module")
def build(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("build")
    run("cmake", "-G", "Unix Makefiles", "-S", str(SOURCE), "-B", str(folder), "-DPENTANET_MODULE=OFF")
    run("cmake", "--build", str(folder), "--target", *(f"src/kernels/{name}.cpp.o" for name in (*SETS, *MULTIPLYING)))
    return folder / "CMakeFiles/pentanet_core.dir/src/kernels"


def run(*command: str) -> str:
    done = subprocess.run(command, capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stdout[-2000:] + done.stderr[-4000:]
    return done.stdout


def functions(compiled: Path) -> dict[str, list[str]]:
    """The mnemonics of each function of an object file."""
    found: dict[str, list[str]] = {}
    name = ""
    for line in run("objdump", "-d", "-C", "--no-show-raw-insn", str(compiled)).splitlines():
        if start := re.fullmatch(r"[0-9a-f]+ <(.*)>:", line):
            name = start.group(1)
            found[name] = []
        elif instruction := re.match(r"\s+[0-9a-f]+:\s+(.+)", line):
            found[name].append(instruction.group(1))
    return found


def multiplications(code: list[str]) -> list[str]:
    """Instructions that multiply. Their first words are mnemonics and prefixes; names of functions come later."""
    return [line for line in code if MULTIPLIES.search(line.split("<")[0].split("#")[0])]


@needs_tools
@pytest.mark.slow
@pytest.mark.parametrize("name", SETS)
def test_no_instruction_multiplies(build: Path, name: str) -> None:
    found = functions(build / f"{name}.cpp.o")
    for layout in LAYOUTS:  # all of the product is in here: the tables, and the sums that are looked up in them
        for part in ("build", "dot"):
            assert any(re.search(rf"\b{part}<\(pentanet::Layout\){layout}>", one) for one in found), (part, layout)
    assert sum(map(len, found.values())) > 1000
    assert {one: bad for one, code in found.items() if (bad := multiplications(code))} == {}


@needs_tools
@pytest.mark.slow
@pytest.mark.parametrize("name", SETS)
def test_nothing_elsewhere_is_called(build: Path, name: str) -> None:
    """Or a product could hide there."""
    symbols = run("objdump", "-t", str(build / f"{name}.cpp.o")).splitlines()
    missing = {line.split()[-1] for line in symbols if "*UND*" in line}
    assert missing <= {"memset", "memcpy", "_GLOBAL_OFFSET_TABLE_"}


@needs_tools
@pytest.mark.slow
@pytest.mark.parametrize("name", MULTIPLYING)
def test_the_same_reading_finds_products_where_there_are_some(build: Path, name: str) -> None:
    kernels = {one: code for one, code in functions(build / f"{name}.cpp.o").items() if "panel_dot" in one}
    assert kernels
    assert any(multiplications(code) for code in kernels.values())
    if name == "avx2/isa":
        text = " ".join(line for code in functions(build / f"{name}.cpp.o").values() for line in multiplications(code))
        assert "vpmaddubsw" in text
        assert "vpmaddwd" in text


PRODUCTS = """
    imul mulx mul mulps vmulss pmullw pmulhrsw pmuludq pmaddwd vpmaddubsw vpmulld vpmadd52luq vpdpbusd vpdpwssd
    vfmadd231ps vfnmsub132sd vdpbf16ps dpps tdpbssd idiv madd msub umull smlal mla fmla sdot smmla
"""
OTHERS = "vpaddb vpsubw vpshufb vpsrlw vpslld vpsadbw vpsignb vpmovzxwd shl lea movzbl tbl uxtl ushll"


def test_multiplications_are_known() -> None:
    for mnemonic in PRODUCTS.split():
        assert multiplications([f"{mnemonic} %rdx,%rax"]), mnemonic
    assert multiplications(["lock imul %rax,%rbx"])


def test_what_is_none_is_no_multiplication() -> None:
    assert multiplications([f"{mnemonic} %ymm0,%ymm1" for mnemonic in OTHERS.split()]) == []
    assert multiplications(["call 8a0 <multiply+0x4>", "lea 0x0(%rip),%rax        # 60 <multiply+0x60>"]) == []

"""The native test program: built with some compiler and settings, and what it prints."""

from __future__ import annotations

import re
import subprocess
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[2]


@dataclass(frozen=True, kw_only=True)
class Outcome:
    """What the program printed: the instruction sets that it tested, and the digest of all its float results."""

    isas: list[str]
    digest: str


@pytest.fixture(scope="session")
def build(tmp_path_factory: pytest.TempPathFactory) -> Callable[..., Path]:
    """Compile the program once for each choice of settings: `build("-DPENTANET_SANITIZE=thread")`."""
    built: dict[tuple[str, ...], Path] = {}

    def make(*settings: str) -> Path:
        if settings not in built:
            folder = tmp_path_factory.mktemp("native")
            configure = ["cmake", "-S", str(ROOT / "native"), "-B", str(folder), *settings]
            options = ["-DPENTANET_MODULE=OFF", "-DPENTANET_TESTS=ON", "-DPENTANET_WERROR=ON"]
            for command in ([*configure, *options], ["cmake", "--build", str(folder), "--parallel", "2"]):
                done = subprocess.run(command, capture_output=True, text=True, check=False)
                assert done.returncode == 0, done.stdout[-4000:] + done.stderr[-4000:]
            built[settings] = folder
        return built[settings] / "pentanet_tests"

    return make


@pytest.fixture(scope="session")
def run() -> Callable[..., Outcome]:
    """Run a program, every n-th product of its table: `run(program, 20, "qemu-aarch64", "-cpu", "max")`."""

    def outcome(program: Path, every: int, *emulator: str) -> Outcome:
        done = subprocess.run([*emulator, program, str(every)], capture_output=True, text=True, check=False)
        assert done.returncode == 0, done.stdout[-4000:] + done.stderr[-8000:]
        found = re.search(r" 0 failures, float digest ([0-9a-f]{16}), instruction sets: (.*)\n", done.stdout)
        assert found, done.stdout[-4000:]
        return Outcome(digest=found[1], isas=found[2].split())

    return outcome

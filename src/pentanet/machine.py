"""What this machine is: printed beside every number that depends on it."""

from __future__ import annotations

import ctypes
import os
import platform
import subprocess
from collections.abc import Generator
from contextlib import contextmanager
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

ISA_FLAGS = (
    "avx2",
    "avx_vnni",
    "avx512f",
    "avx512_vnni",
    "avx512vbmi",
    "avx512_vbmi2",
    "gfni",
    "avx512_bf16",
    "amx_bf16",
    "amx_int8",
)
MAX_THREADS = 1024  # as in native/include/pentanet/pool.h
ARM_FLAGS = ("asimd", "asimddp", "i8mm", "bf16")


@dataclass(frozen=True, kw_only=True, slots=True)
class Machine:
    """Facts about the machine.

    Attributes:
        cpu: model name.
        isa: vector instruction sets, smallest first.
        cores: cores that this process may use.
        memory_bytes: physical memory; 0 where it cannot be read.
        python, torch: versions.
        cuda: names of the GPUs.
    """

    cpu: str
    isa: list[str]
    cores: int
    memory_bytes: int
    os: str
    python: str
    torch: str
    cuda: list[str]

    def to_dict(self) -> dict[str, Any]:
        """The fields as JSON can hold them."""
        return asdict(self)


def machine() -> Machine:
    """Look at this machine."""
    import torch

    model, flags = _cpuinfo()
    gpus = torch.cuda.device_count() if torch.cuda.is_available() else 0
    return Machine(
        cpu=model,
        isa=[flag for flag in (*ISA_FLAGS, *ARM_FLAGS) if flag in flags],
        cores=usable_cores(),
        memory_bytes=os.sysconf("SC_PAGE_SIZE") * os.sysconf("SC_PHYS_PAGES") if hasattr(os, "sysconf") else 0,
        os=f"{platform.system()} {platform.release()}",
        python=platform.python_version(),
        torch=torch.__version__,
        cuda=[torch.cuda.get_device_name(i) for i in range(gpus)],
    )


def usable_cores() -> int:
    """Cores that this process may run on."""
    return len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count() or 1


def keep_freed_memory() -> bool:
    """Let the allocator of glibc keep what is freed, for the rest of the process; False where there is no glibc.

    A step of a training frees as much as it takes.  Handed back to the system and taken again, every page of it costs a
    fault: a tenth of the time of a step, and more where buffers are converted between types.
    """
    mmap_threshold, trim_threshold = -3, -1  # M_MMAP_THRESHOLD, M_TRIM_THRESHOLD of malloc.h
    # Older releases take no more than 32 MiB.
    kept = _mallopt(mmap_threshold, 1 << 30) or _mallopt(mmap_threshold, 1 << 25)
    return kept and _mallopt(trim_threshold, -1)


@contextmanager
def shared_heap() -> Generator[bool]:
    """Let threads that begin meanwhile share a heap; False where there is no glibc.

    glibc gives each thread a heap of its own, and each keeps as much of what was freed as its thread ever had at once.
    """
    arena_max = -8  # M_ARENA_MAX of malloc.h; 0 is the default
    try:
        yield _mallopt(arena_max, 1)
    finally:
        _mallopt(arena_max, 0)


def _mallopt(parameter: int, value: int) -> bool:
    """Set a parameter of the allocator of glibc; False where there is no glibc, or it refuses."""
    try:
        return bool(ctypes.CDLL(None).mallopt(parameter, value))
    except (OSError, TypeError, AttributeError):  # another library, or another system
        return False


def commit() -> str | None:
    """The commit of the sources that run, with "-dirty" where files differ from it; None outside of a checkout."""
    root = Path(__file__).parents[2]
    if not (root / ".git").exists():
        return None
    call = ["git", "-C", str(root), "describe", "--always", "--dirty", "--abbrev=12", "--exclude=*"]
    try:
        return subprocess.run(call, capture_output=True, text=True, check=True, timeout=30).stdout.strip() or None
    except (OSError, subprocess.SubprocessError):
        return None


def multiplies_bfloat16() -> bool:
    """Whether the processor has instructions for bfloat16 products; without them they are slower than float32."""
    _, flags = _cpuinfo()
    return bool(flags & {"avx512_bf16", "amx_bf16", "bf16"})


def _cpuinfo() -> tuple[str, set[str]]:
    """Model name and flags, as Linux lists them; elsewhere what Python knows."""
    try:
        text = Path("/proc/cpuinfo").read_text(encoding="utf-8")
    except OSError:
        return platform.processor() or platform.machine(), set()
    fields: dict[str, str] = {}
    for line in text.splitlines():
        key, _, value = line.partition(":")
        fields.setdefault(key.strip(), value.strip())
    name = fields.get("model name") or platform.machine()
    return name, set((fields.get("flags") or fields.get("Features") or "").split())

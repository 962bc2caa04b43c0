"""What is said about a machine, from what it says of itself."""

from __future__ import annotations

import json
import os
import platform
import subprocess
import sys

import pytest
import torch

from pentanet import machine as room

INTEL = """processor : 0
model name : Some CPU @ 3 GHz
flags : fpu avx2 avx512f avx512vbmi avx512_vnni avx512_bf16

processor : 1
model name : Other
"""
ARM = "processor : 0\nFeatures : fp asimd asimddp bf16\n"
OLD = "processor : 0\nmodel name : Old\nflags : fpu sse2\n"


@pytest.fixture
def cpuinfo(monkeypatch, tmp_path):
    """Make /proc/cpuinfo say something else; None takes it away."""

    def say(text):
        path = tmp_path / "cpuinfo"
        if text is not None:
            path.write_text(text)
        monkeypatch.setattr(room, "Path", lambda _: path)

    return say


@pytest.mark.parametrize(
    ("text", "name", "isa", "bfloat16"),
    [
        (INTEL, "Some CPU @ 3 GHz", ["avx2", "avx512f", "avx512_vnni", "avx512vbmi", "avx512_bf16"], True),
        (ARM, None, ["asimd", "asimddp", "bf16"], True),
        (OLD, "Old", [], False),
        (None, None, [], False),
    ],
    ids=["intel", "arm", "old", "none"],
)
def test_cpu(text, name, isa, bfloat16, cpuinfo):
    cpuinfo(text)
    found = room.machine()
    assert found.isa == isa
    assert found.cpu == name if name else found.cpu
    assert room.multiplies_bfloat16() is bfloat16


def test_cores_are_those_that_the_process_may_use(monkeypatch):
    monkeypatch.setattr(os, "sched_getaffinity", lambda _: {3, 5, 7}, raising=False)
    assert room.machine().cores == 3
    monkeypatch.delattr(os, "sched_getaffinity")
    monkeypatch.setattr(os, "cpu_count", lambda: 6)
    assert room.usable_cores() == 6
    monkeypatch.setattr(os, "cpu_count", lambda: None)
    assert room.usable_cores() == 1


def test_facts_are_json_and_name_the_versions():
    found = json.loads(json.dumps(room.machine().to_dict()))
    assert found["torch"] == torch.__version__
    assert found["memory_bytes"] > 1 << 28
    assert found["python"].count(".") == 2


@pytest.mark.skipif(platform.libc_ver()[0] != "glibc", reason="another allocator")
def test_freed_memory_is_taken_again_without_faults():
    program = """
import resource
import numpy as np
from pentanet.machine import keep_freed_memory
def faults():
    before = resource.getrusage(resource.RUSAGE_SELF).ru_minflt
    for _ in range(8):
        x, y = np.full(1 << 20, 1.0), np.full(1 << 20, 2.0)  # 8 MiB each
        del x, y
    return resource.getrusage(resource.RUSAGE_SELF).ru_minflt - before
assert keep_freed_memory()
faults()
print(faults())
"""
    assert int(subprocess.run([sys.executable, "-c", program], capture_output=True, check=True).stdout) < 500


@pytest.mark.skipif(platform.libc_ver()[0] != "glibc", reason="another allocator")
def test_threads_share_a_heap_while_they_are_asked_to():
    program = """
import ctypes, threading
from pentanet.machine import shared_heap
malloc = ctypes.CDLL(None).malloc
malloc.restype = ctypes.c_size_t
def place():
    found = []
    thread = threading.Thread(target=lambda: found.append(malloc(1000)))
    thread.start()
    thread.join()
    return found[0] >> 26 == malloc(1000) >> 26
with shared_heap() as shared:
    print(shared, place())
"""
    found = subprocess.run([sys.executable, "-c", program], capture_output=True, check=True, text=True)
    assert found.stdout == "True True\n"


def test_without_glibc_nothing_is_done(monkeypatch):
    monkeypatch.setattr(room.ctypes, "CDLL", lambda _: object())
    assert room.keep_freed_memory() is False
    with room.shared_heap() as shared:
        assert shared is False

"""A file that becomes shorter while it is read: an error where it is copied, never the end of the process.

What went wrong once ended the process by a signal, so the tests run in one of their own.
"""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

import numpy as np

from pentanet.format.container import write_tensors
from pentanet.format.header import Entry

CUT_WHILE_READ = """
import os, shutil, sys
from pathlib import Path
from pentanet.errors import TruncatedFileError
from pentanet.format import header
from pentanet.format.container import open_tensors

whole, path, known = Path(sys.argv[1]), Path(sys.argv[2]), header.header_size
for size in (0, 8, 9000, 40_000, whole.stat().st_size - 1):
    shutil.copy(whole, path)

    def cut(start, file_bytes, where):
        found = known(start, file_bytes, where)
        os.truncate(path, size)
        return found

    header.header_size = cut
    try:
        open_tensors(path)
    except TruncatedFileError as error:
        assert str(error).startswith(f"{path}: became shorter"), error
    else:
        sys.exit(f"{size} bytes were taken for the whole")
"""

CUT_AFTERWARDS = """
import os, sys
from pathlib import Path
from pentanet.format.model_dir import open_model

path = Path(sys.argv[1])
opened = open_model(path)
names = [name for name in opened.names if not hasattr(opened.spec(name), "grid")]
coded = [name for name in opened.names if name not in names]
before = [opened.plain(name) for name in names] + [opened.scales(name) for name in coded]
os.truncate(path / "model.safetensors", 0)
after = [opened.plain(name) for name in names] + [opened.scales(name) for name in coded]
assert all((a == b).all() for a, b in zip(before, after, strict=True))
assert opened.bias("down.weight") is not None
print(len(after))
"""


def _run(program: str, *arguments: Path) -> str:
    done = subprocess.run([sys.executable, "-c", program, *map(str, arguments)], capture_output=True, text=True)
    assert done.returncode == 0, f"{done.returncode}: {done.stderr}"
    return done.stdout


def test_the_header_and_small_tensors_are_not_mapped(tmp_path: Path) -> None:
    entries = {f"norm.{i}.weight": Entry("F32", (5,)) for i in range(500)}
    write_tensors(tmp_path / "whole", entries, lambda name: np.full(20, 1, np.uint8))
    _run(CUT_WHILE_READ, tmp_path / "whole", tmp_path / "model.safetensors")


def test_small_tensors_of_an_open_model_outlive_the_file(model: Path) -> None:
    assert _run(CUT_AFTERWARDS, model) == "7\n"

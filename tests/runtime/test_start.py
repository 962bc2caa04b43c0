"""What opening a model must not cost."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

import pytest

pytest.importorskip("pentanet._native")

SCRIPT = """
import sys
from pathlib import Path
from pentanet.runtime.engine import Engine
Engine.open(Path(sys.argv[1]), threads=1).logits([0])
sys.exit("opening imports torch" if "torch" in sys.modules else 0)
"""


@pytest.mark.parametrize("name", ["llama", "gpt"])
def test_the_engine_opens_without_torch(models: Path, name: str) -> None:
    done = subprocess.run(
        [sys.executable, "-c", SCRIPT, str(models / name)], capture_output=True, text=True, check=False
    )
    assert done.returncode == 0, done.stderr

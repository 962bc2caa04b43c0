"""Datasets that are prepared once and found again."""

from __future__ import annotations

import hashlib
import os
import re
from pathlib import Path

from pentanet.data.dataset import RECORD, Dataset
from pentanet.data.prepare import Eos, Progress, prepare


def cache_dir() -> Path:
    """PENTANET_CACHE, or `pentanet` in the user's cache directory."""
    if found := os.environ.get("PENTANET_CACHE"):
        return Path(found)
    return Path(os.environ.get("XDG_CACHE_HOME") or Path.home() / ".cache") / "pentanet"


def open_or_prepare(source: str, tokenizer: str, eos: Eos, progress: Progress | None = None) -> Dataset:
    """Open `source` if it is a dataset directory; otherwise prepare it in the cache, or find it there.

    The text is hashed each time, so a changed file makes a new dataset.

    Raises:
        PentaNetError: whatever `prepare` and `Dataset.open` raise.
    """
    if (Path(source) / RECORD).is_file():
        return Dataset.open(source)
    where = str(Path(source).resolve()) if Path(source).exists() else source
    key = hashlib.sha256("\0".join((where, tokenizer, eos)).encode()).hexdigest()[:12]
    name = re.sub(r"[^A-Za-z0-9.-]+", "-", Path(source).name or "text")
    return prepare(source, cache_dir() / "data" / f"{name}-{key}", tokenizer=tokenizer, eos=eos, progress=progress)

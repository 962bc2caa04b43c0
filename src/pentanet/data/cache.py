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
    return prepare(source, _place(source, tokenizer, eos), tokenizer=tokenizer, eos=eos, progress=progress)


def prepared(source: str, tokenizer: str, eos: Eos) -> Dataset | None:
    """What `open_or_prepare` made before, without looking whether the text has changed since; None if it made nothing.

    Raises:
        PentaNetError: whatever `Dataset.open` raises.
    """
    place = Path(source) if (Path(source) / RECORD).is_file() else _place(source, tokenizer, eos)
    return Dataset.open(place) if (place / RECORD).is_file() else None


def _place(source: str, tokenizer: str, eos: Eos) -> Path:
    where = str(Path(source).resolve()) if Path(source).exists() else source
    key = hashlib.sha256("\0".join((where, tokenizer, eos)).encode()).hexdigest()[:12]
    name = re.sub(r"[^A-Za-z0-9.-]+", "-", Path(source).name or "text")
    return cache_dir() / "data" / f"{name}-{key}"

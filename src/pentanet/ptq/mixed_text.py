"""The text that calibrates where the user names none: most of it the model's own, the rest docstrings.

Nothing is loaded from a network, and neither WikiText nor the Bible is in it, so that both can measure.
"""

from __future__ import annotations

import hashlib
import json
import shutil
import sys
from collections.abc import Callable
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from typing import Any

import torch
from torch import Tensor

from pentanet import atomic
from pentanet.data.manuals import library_docstrings
from pentanet.errors import EngineError, FormatError, TextTooShortError, WriteError
from pentanet.format.header import strict_json
from pentanet.ptq.own_text import write_windows
from pentanet.ptq.unfinished import Progress
from pentanet.runtime.endings import endings_of
from pentanet.sources.source import Source

OWN = 2 / 3
"""Of the windows, written by the model."""

_FILE, _COPY = "text.json", "int8"
_CHARACTERS = 12  # of a docstring make at least one token: most tokens have 4


@dataclass(frozen=True, kw_only=True, slots=True, eq=False)
class CalibrationText:
    """What a calibrated method looks at.

    Attributes:
        windows: token ids [B, T].
        name: what it is.
    """

    windows: Tensor
    name: str

    def to_dict(self) -> dict[str, Any]:
        """What a record says of it."""
        count, length = self.windows.shape
        digest = hashlib.sha256(self.windows.numpy().tobytes()).hexdigest()
        return {"text": self.name, "windows": count, "window": length, "sha256": digest}


def mixed_text(
    source: Source,
    folder: Path,
    int8_copy: Callable[[Path], object],
    *,
    samples: int,
    window: int,
    threads: int = 1,
    progress: Progress = lambda stage, done, total: None,
) -> CalibrationText:
    """Windows of text that the model writes, and of the standard library's docstrings.

    Where the native engine does not run the model, all of them are docstrings.  The same model gives the same text,
    but for docstrings of another release of Python.

    Args:
        source: the model.
        folder: of an unfinished run, where the text waits once it is written, and before that a copy of the model.
        int8_copy: writes the model with 8-bit weights to a directory.
        samples: number of windows.
        window: tokens of each; fewer where the model reads no more.
        threads: of the engine.
        progress: told how much is written.

    Raises:
        DataError: the model has no tokenizer.
        TextTooShortError: too few docstrings in this installation of Python.
        WriteError: the disk is full.
    """
    window = min(window, source.config.context)
    wanted = {"samples": samples, "window": window, "python": sys.version.split()[0]}
    if (found := _read(folder / _FILE, wanted)) is not None:
        return found
    source.tokenizer()  # refuses a model without one, before the work
    own = round(samples * OWN)
    parts: list[Tensor] = []
    if own:
        try:
            int8_copy(folder / _COPY)
            tell = partial(progress, "write text")
            parts.append(write_windows(folder / _COPY, own, window, threads=threads, progress=tell))
        except EngineError:  # it was not compiled, or does not run this family
            own = 0
        finally:
            shutil.rmtree(folder / _COPY, ignore_errors=True)
    if samples > own:
        parts.append(docstring_windows(source, window, samples - own))
    names = [f"{own} that the model wrote"] if own else []
    names += [f"{samples - own} of docstrings of Python {wanted['python']}"] if samples > own else []
    name = f"{samples} windows of {window} tokens: {', '.join(names)}"
    made = CalibrationText(windows=torch.cat(parts), name=name)
    _write(folder / _FILE, wanted, made)
    return made


def docstring_windows(source: Source, length: int, count: int) -> Tensor:
    """Windows [count, length] of docstrings, evenly spread over the standard library.

    Raises:
        DataError: the model has no tokenizer.
        TextTooShortError: too few docstrings.
    """
    tokenizer, text = source.tokenizer(), library_docstrings()
    start, piece = list(endings_of(tokenizer).start), _CHARACTERS * length
    rows: list[list[int]] = []
    for i in range(count):
        at = i * max(len(text) - piece, 0) // max(count - 1, 1)
        ids = tokenizer.encode(text[at : at + piece], add_special_tokens=False).ids
        rows.append([*start, *ids][:length])
        if len(rows[-1]) < length:
            raise TextTooShortError(
                f"this Python's library has {len(text)} characters of docstrings, too few to calibrate on. Name a text "
                "with --calibration."
            )
    return torch.tensor(rows)


def _read(file: Path, wanted: dict[str, Any]) -> CalibrationText | None:
    """What an earlier run wrote; None if it did not, of other sizes, or if the file is damaged."""
    if not file.is_file():
        return None
    try:
        found = strict_json(file.read_bytes(), file)
        made = CalibrationText(windows=torch.tensor(found["windows"]), name=found["name"])
        return made if found["wanted"] == wanted and made.to_dict()["sha256"] == found["sha256"] else None
    except (FormatError, KeyError, TypeError, ValueError):
        return None


def _write(file: Path, wanted: dict[str, Any], made: CalibrationText) -> None:
    found = {"wanted": wanted, "name": made.name, "sha256": made.to_dict()["sha256"], "windows": made.windows.tolist()}
    try:
        atomic.write_file(file, json.dumps(found).encode())
    except OSError as error:
        raise WriteError(file, error.strerror or str(error)) from error

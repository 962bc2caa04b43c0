"""Append-only JSON lines that survive kill -9."""

from __future__ import annotations

import json
import os
from collections.abc import Callable
from pathlib import Path
from typing import Any

from pentanet.atomic import write_file
from pentanet.errors import CheckpointError, MissingExtraError


class MetricsLog:
    """A file of one JSON object per line.

    A checkpoint notes the length of the file; resuming cuts the file back to that length, so that a resumed run and one
    that was never interrupted leave the same bytes.
    """

    def __init__(self, path: Path, mirror: Callable[[dict[str, Any]], None] | None = None) -> None:
        self.path, self.mirror = path, mirror
        self.path.touch()

    def write(self, row: dict[str, Any]) -> None:
        """Append one line."""
        with self.path.open("a", encoding="utf-8") as file:
            file.write(json.dumps(row) + "\n")
        if self.mirror is not None:
            self.mirror(row)

    def sync(self) -> int:
        """Flush to the disk; returns the length in bytes."""
        with self.path.open("rb") as file:
            os.fsync(file.fileno())
            return os.fstat(file.fileno()).st_size

    def cut(self, length: int) -> None:
        """Drop everything after `length` bytes.

        Raises:
            CheckpointError: the file is shorter than that.
        """
        size = self.path.stat().st_size
        if size < length:
            raise CheckpointError(
                f"{self.path}: {size} bytes, but {length} when the checkpoint was saved; restore the file, "
                "or start the run again in another directory"
            )
        os.truncate(self.path, length)

    def keep(self, rows: list[dict[str, Any]]) -> None:
        """Hold these rows and no others."""
        write_file(self.path, "".join(json.dumps(row) + "\n" for row in rows).encode())

    def rows(self) -> list[dict[str, Any]]:
        """Every complete line."""
        text = self.path.read_text(encoding="utf-8")
        return [json.loads(line) for line in text[: text.rfind("\n") + 1].splitlines()]


def tensorboard(folder: Path) -> Callable[[dict[str, Any]], None]:
    """A mirror that writes every number of a row as a TensorBoard scalar to `folder`.

    Raises:
        MissingExtraError: tensorboard is not installed.
    """
    try:
        from torch.utils.tensorboard import SummaryWriter
    except ImportError:
        raise MissingExtraError("tensorboard", "tensorboard", "--tensorboard") from None
    writer: Any = None

    def mirror(row: dict[str, Any]) -> None:
        nonlocal writer
        writer = writer or SummaryWriter(str(folder))  # makes the folder, so not before the run has claimed its own
        for key, value in row.items():
            if isinstance(value, int | float) and key != "step":
                writer.add_scalar(key, value, row["step"])
        writer.flush()

    return mirror

"""Accept what was changed beside the weights: write the seal of a model directory anew."""

from __future__ import annotations

import shutil
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path

from pentanet import atomic
from pentanet.errors import WriteError
from pentanet.format import container
from pentanet.format.model_dir import open_model
from pentanet.format.packed_model import TENSORS
from pentanet.format.seal import ABSENT, seal_of_folder


@dataclass(frozen=True, kw_only=True, slots=True)
class Resealed:
    """What a new seal accepts.

    Attributes:
        path: the directory.
        written: whether the seal had to be written; False where it fitted already.
        accepted: by name of the file, what it was since the last seal: "changed", "added", "removed", or "not sealed".
    """

    path: Path
    written: bool
    accepted: Mapping[str, str]


def reseal(path: str | Path) -> Resealed:
    """Seal a model directory as it stands, after an edit that was meant or where there was no seal.

    model.safetensors is written again beside its place, a block at a time, and renamed; its tensors stay the same.  So
    there must be room for it twice, and a loss of power leaves the old or the new one.

    Raises:
        FormatError: the directory breaks another rule than that of the seal: see `open_model`.
        WriteError: the disk does not take it; nothing has changed.
        UnconfirmedWriteError: the new seal is in its place, but the disk did not confirm it.
    """
    path = Path(path)
    opened = open_model(path, sealed=False).tensor_file
    before, now = opened.header.seal, seal_of_folder(path)
    accepted = {name: what for name in now if (what := _change(before.get(name), now[name]))}
    if dict(before) == now:
        return Resealed(path=path, written=False, accepted=accepted)
    target = path / TENSORS
    try:
        with atomic.scratch_dir(target) as scratch:
            made = scratch / TENSORS
            container.copy_tensors(opened, made, now)
            shutil.copymode(target, made)
            atomic.replace_files(scratch, path, TENSORS)
    except OSError as error:
        raise WriteError(target, error.strerror or str(error)) from error
    return Resealed(path=path, written=True, accepted=accepted)


def _change(before: str | None, now: str) -> str:
    """What a file was since it was sealed; "" for nothing that matters."""
    if before is None:
        return "" if now == ABSENT else "not sealed"
    if before == now:
        return ""
    return "removed" if now == ABSENT else "added" if before == ABSENT else "changed"

"""Checkpoints that survive kill -9 and a lost disk block.

RUN/checkpoints/step_00000250/ holds weights.safetensors, optimizer.safetensors, state.json, and manifest.json with
the sha256 of the three.  It is written beside, flushed, renamed, and the renaming is flushed; nothing is pickled.
"""

from __future__ import annotations

import hashlib
import json
import shutil
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import torch
from safetensors import SafetensorError
from safetensors.torch import load_file, save_file
from torch import Tensor, nn

from pentanet.atomic import replace_dir, scratch_dir
from pentanet.errors import CheckpointError, WriteError

WEIGHTS, OPTIMIZER, STATE, MANIFEST = "weights.safetensors", "optimizer.safetensors", "state.json", "manifest.json"


@dataclass(frozen=True, kw_only=True, slots=True)
class Checkpoint:
    """Everything that the next step depends on.

    Attributes:
        step: steps done.
        weights: latent parameters by name.
        optimizer: state of the optimizer, and of the random generators, by name.
        state: the rest, as JSON: position in the data, length of the metrics, running statistics.
    """

    step: int
    weights: dict[str, Tensor]
    optimizer: dict[str, Tensor]
    state: dict[str, Any]


class CheckpointStore:
    """The checkpoints of one run.

    Args:
        folder: RUN/checkpoints.
        keep: how many stay when a new one is saved.
        warn: told about a damaged checkpoint that is skipped.
    """

    def __init__(self, folder: Path, keep: int, warn: Callable[[str], None]) -> None:
        self.folder, self.keep, self.warn = folder, keep, warn

    def paths(self) -> list[Path]:
        """Complete checkpoints, oldest first."""
        return sorted(path for path in self.folder.glob("step_*") if path.is_dir())

    def save(self, checkpoint: Checkpoint) -> Path:
        """Write a checkpoint, and remove the oldest beyond `keep` and later ones.

        Later ones are left from before the run went back to this step: damaged, or they would have been taken.

        Raises:
            WriteError: the disk is full or not writable; older checkpoints are untouched.
        """
        final = self.folder / f"step_{checkpoint.step:08d}"
        try:
            with scratch_dir(final) as tmp:
                save_file(_plain(checkpoint.weights), tmp / WEIGHTS)
                save_file(_plain(checkpoint.optimizer), tmp / OPTIMIZER)
                (tmp / STATE).write_text(json.dumps({"step": checkpoint.step, **checkpoint.state}), encoding="utf-8")
                hashes = {name: _sha256(tmp / name) for name in (WEIGHTS, OPTIMIZER, STATE)}
                (tmp / MANIFEST).write_text(json.dumps(hashes, indent=1), encoding="utf-8")
                replace_dir(tmp, final)
        except (OSError, SafetensorError) as error:
            raise WriteError(final, str(error)) from error
        paths = self.paths()
        place = paths.index(final) + 1
        for path in (*paths[: max(0, place - self.keep)], *paths[place:]):
            shutil.rmtree(path, ignore_errors=True)
        return final

    def newest(self) -> Checkpoint | None:
        """The newest checkpoint whose checksums hold, or None if there is none at all.

        Raises:
            CheckpointError: there are checkpoints, and all of them are damaged.
        """
        paths = self.paths()
        for path in reversed(paths):
            try:
                return load(path)
            except CheckpointError as error:
                self.warn(f"{error} Taking the one before it.")
        if paths:
            raise CheckpointError(
                f"{self.folder}: every checkpoint is damaged; start the run again in another directory"
            )
        return None


def load(path: Path) -> Checkpoint:
    """Read one checkpoint.

    Raises:
        CheckpointError: a file is missing or differs from its checksum.
    """
    try:
        manifest = json.loads((path / MANIFEST).read_text(encoding="utf-8"))
        for name in (WEIGHTS, OPTIMIZER, STATE):
            if _sha256(path / name) != manifest[name]:
                raise CheckpointError(f"{path / name}: differs from its checksum.")
        state = json.loads((path / STATE).read_text(encoding="utf-8"))
        return Checkpoint(
            step=state.pop("step"),
            weights=load_file(path / WEIGHTS),
            optimizer=load_file(path / OPTIMIZER),
            state=state,
        )
    except (OSError, ValueError, KeyError, TypeError, SafetensorError) as error:
        raise CheckpointError(f"{path}: not a complete checkpoint ({error}).") from error


@torch.no_grad()
def set_weights(network: nn.Module, checkpoint: Checkpoint) -> None:
    """Give `network` the weights of a checkpoint.

    Raises:
        CheckpointError: it has other weights.
    """
    own = dict(network.named_parameters())
    shapes = {name: tensor.shape for name, tensor in checkpoint.weights.items()}
    if shapes != {name: parameter.shape for name, parameter in own.items()}:
        odd = min({*own} ^ {*shapes} or own)
        raise CheckpointError(
            f"the checkpoint of step {checkpoint.step} is of another release: its weights differ, '{odd}' among them; "
            "start the run again in another directory"
        )
    for name, parameter in own.items():
        parameter.copy_(checkpoint.weights[name])


def fingerprint(path: Path) -> str:
    """sha256 over a checkpoint's files: equal for runs that are equal in every bit."""
    return _sha256(path / MANIFEST)


def _plain(tensors: dict[str, Tensor]) -> dict[str, Tensor]:
    return {name: tensor.detach().cpu().contiguous() for name, tensor in tensors.items()}


def _sha256(path: Path) -> str:
    with path.open("rb") as file:
        return hashlib.file_digest(file, "sha256").hexdigest()

"""The folder beside the output in which finished tensors wait, so that a run that was stopped goes on where it was.

OUT.unfinished/settings.json     what is being quantized, and how: another run finds its own or refuses
OUT.unfinished/NAME.measured.json  errors of a matrix on several grids
OUT.unfinished/NAME.safetensors  the stored parts of one tensor, as in a packed model
OUT.unfinished/NAME.json         its specification and errors; written last, so that its presence means that
                                 NAME.safetensors is complete
"""

from __future__ import annotations

import json
import shutil
from collections.abc import Callable, Generator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any, cast

import numpy as np
from numpy.typing import NDArray

from pentanet import atomic
from pentanet.codes import Codes
from pentanet.errors import FormatError, WriteError
from pentanet.format import container
from pentanet.format.container import Container
from pentanet.format.header import strict_json
from pentanet.format.layouts import layout
from pentanet.format.tensors import CodedSpec, Tensor, TensorSpec, scale_name, spec_from_json

Progress = Callable[[str, int, int], None]
"""Told the stage of a work, and how much of how much of it is done."""


@dataclass(frozen=True, kw_only=True, slots=True, eq=False)
class Stored:
    """A tensor that is packed already, as `write_model` takes it."""

    spec: TensorSpec
    parts: Container

    def check(self, name: str) -> None:
        """Nothing: it was checked before it was packed."""

    def blocks(self, name: str) -> dict[str, NDArray[np.uint8]]:
        """Bytes of each stored tensor: views of the file."""
        return {part: self.parts.raw(part) for part in self.spec.entries(name)}


def unfinished(out: Path, settings: Mapping[str, Any]) -> Path:
    """Make the folder of a run, or find what an earlier one with the same settings left.

    Raises:
        WriteError: one with other settings is there, or it cannot be made.
    """
    path = out.with_name(f"{out.name}.unfinished")
    text = json.dumps(dict(settings), indent=2, sort_keys=True) + "\n"
    file = path / "settings.json"
    try:
        path.mkdir(parents=True, exist_ok=True)
        begun = any(other.name not in (file.name, "lock") for other in path.iterdir())
        if begun and file.is_file() and file.read_text(encoding="utf-8") != text:
            raise WriteError(
                path, "an unfinished run with other settings or another model is there. Finish or remove it."
            )
        atomic.write_file(file, text.encode())
    except OSError as error:
        raise WriteError(path, error.strerror or str(error)) from error
    return path


class Work:
    """The folder of one run."""

    def __init__(self, out: Path, settings: Mapping[str, Any]) -> None:
        """As `unfinished`."""
        self.path = unfinished(out, settings)

    def facts(self, name: str) -> dict[str, Any] | None:
        """What is known of a finished tensor; None if it is not finished, or damaged."""
        file = self.path / f"{name}.json"
        if not file.is_file():
            return None
        try:
            self._open(name, verify=True)
            return cast("dict[str, Any]", strict_json(file.read_bytes(), file)["facts"])
        except (FormatError, KeyError):
            return None

    def add(self, name: str, tensor: Tensor, facts: Mapping[str, Any]) -> None:
        """Keep a finished tensor.

        Raises:
            UnpackableError, ScaleError, CodeError, ShapeError: one that no packed model holds.
            WriteError: the disk does not take it.
        """
        tensor.check(name)
        blocks, entries = tensor.blocks(name), tensor.spec.entries(name)
        described = {"spec": tensor.spec.to_json(), "facts": dict(facts)}
        with self._writing():
            container.write_tensors(self.path / f"{name}.safetensors", entries, lambda part: blocks.pop(part))
            atomic.write_file(self.path / f"{name}.json", (json.dumps(described) + "\n").encode())

    def note(self, name: str, numbers: list[float]) -> None:
        """Keep what was measured of a tensor.  Raises WriteError."""
        with self._writing():
            atomic.write_file(self.path / f"{name}.measured.json", (json.dumps({"numbers": numbers}) + "\n").encode())

    def noted(self, name: str) -> list[float] | None:
        """What was measured of a tensor; None if nothing was, or the file is damaged."""
        file = self.path / f"{name}.measured.json"
        try:
            return cast("list[float]", strict_json(file.read_bytes(), file)["numbers"]) if file.is_file() else None
        except (FormatError, KeyError):
            return None

    def stored(self, name: str) -> Stored:
        """A finished tensor."""
        return self._open(name, verify=False)

    def codes(self, name: str) -> Codes:
        """The levels and scales of a finished coded tensor."""
        found = self.stored(name)
        assert isinstance(found.spec, CodedSpec)
        rows, inputs = found.spec.shape[0], found.spec.inputs
        levels = layout(found.spec.layout).decode(found.parts.raw(name), found.spec.grid, rows, inputs, name)
        scales = found.parts.raw(scale_name(name)).view("<f4").reshape(found.spec.scales).astype(np.float32)
        return Codes(levels, scales, found.spec.grid, planes=found.spec.planes)

    @contextmanager
    def _writing(self) -> Generator[None]:
        try:
            yield
        except OSError as error:
            reason = error.strerror or str(error)
            raise WriteError(
                self.path, f"{reason}. What is finished waits there: the same command goes on with the rest"
            ) from error

    def remove(self) -> None:
        """Delete the folder."""
        shutil.rmtree(self.path, ignore_errors=True)

    def _open(self, name: str, *, verify: bool) -> Stored:
        file = self.path / f"{name}.json"
        spec = spec_from_json(name, strict_json(file.read_bytes(), file).get("spec"), str(file))
        return Stored(spec=spec, parts=container.open_tensors(self.path / f"{name}.safetensors", verify=verify))

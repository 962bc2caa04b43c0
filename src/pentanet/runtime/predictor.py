"""Open a packed directory to generate with, by the engine that can."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Literal

from pentanet.errors import UnsupportedModelError
from pentanet.kernels import native
from pentanet.linear_options import RoundingChoice
from pentanet.runtime.engine import CacheType, Engine

if TYPE_CHECKING:
    from pentanet.runtime.load import Runtime

Choice = Literal["auto", "native", "torch"]


def open_predictor(
    path: str | Path,
    choice: Choice = "auto",
    threads: int = 0,
    cache: CacheType = "float32",
    activations: RoundingChoice = "auto",
    *,
    pin: bool = False,
) -> Engine | Runtime:
    """Open a model directory to generate with: "auto" takes the native engine if it was compiled and knows the model.

    Threads, cache and pinning are those of the native engine.  Activations that are not "auto" are rounded so by both.

    Raises:
        EngineError: "native", and the engine was not compiled or does not know the model; or PENTANET_ISA is wrong.
        FormatError, TokenizerMismatchError: as `pentanet.runtime.load.load`.
    """
    if choice == "torch" or (choice == "auto" and not native.available()):
        return _load(path, activations)
    try:
        return Engine.open(path, threads=threads, cache=cache, activations=activations, pin=pin)
    except UnsupportedModelError:
        if choice == "native":
            raise
        return _load(path, activations)


def _load(path: str | Path, activations: RoundingChoice) -> Runtime:
    from pentanet.runtime.load import load  # torch, which the native engine does without

    return load(path, activations=activations)

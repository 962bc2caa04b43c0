"""Ternary weights that were written out as floats: TriLM of the Spectra suite, and Falcon-E's revision `bfloat16`.

Every weight is -s, 0 or s.  Spectra trained its larger models on several devices, each of which had a part of a matrix
and took the mean of that part, so that s differs between the parts: rows of the matrices that were split by outputs,
columns of those that were split by inputs (o_proj and down_proj).  The parts are found in the weights themselves, and
nothing is rounded: a value that is on no such lattice is refused.
"""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from pentanet.codes import Codes
from pentanet.errors import FormatError
from pentanet.families.tensor_table import linear_names
from pentanet.grid import TERNARY
from pentanet.integrations.imported.found import Found, assemble
from pentanet.sources.hub import HubSource

_MOST_SHARDS = 64
_ANY = np.float32(1e-8)  # what a level 1 is worth where there is none


def from_lattice(path: Path, *, shards: int = 0, allow_pickle: bool = False) -> Found:
    """A directory of ternary weights in floats.

    Args:
        path: the directory.
        shards: parts that a matrix may have with scales of their own; 0 for as many as are found.
        allow_pickle: see `open_source`.

    Raises:
        FormatError: a weight that is on no lattice, or more parts than `shards`; see `HubSource`.
    """
    source = HubSource(path, allow_pickle=allow_pickle, rounded=True)
    most = 1
    made: dict[str, Codes] = {}
    for name in linear_names(source.config, source.vocab):
        codes, parts = on_lattice(source.tensor(name).numpy(), f"{path}: tensor '{name}'")
        if shards and parts > shards:
            raise FormatError(f"{path}: tensor '{name}' has {parts} parts with scales of their own, which is more than "
                              f"the {shards} of --shards")  # fmt: skip
        made[name], most = codes, max(most, parts)

    def values(name: str, shape: tuple[int, ...]) -> NDArray[np.float32]:
        del shape  # the source has compared it
        return source.tensor(name).numpy()

    scales = "one scale for each matrix" if most == 1 else f"up to {most} scales for a matrix"
    return Found(
        kind=f"ternary weights written out as floats, {scales}",
        config=source.hub_config,
        tensors=assemble(source.config, source.vocab, codes=lambda name, shape: made[name], values=values),
        method="trilm",
        activations="none",
        files=source.files,
        facts=source.facts,
    )


def on_lattice(weight: NDArray[np.float32], where: str) -> tuple[Codes, int]:
    """Levels and scales of a matrix [rows, cols] in which all values of a part are -s, 0 or s; how many parts it has.

    A part is the whole matrix, one of up to 64 equal bands of rows, or one of as many equal bands of columns.

    Args:
        weight: finite.
        where: file and tensor, for messages.

    Raises:
        FormatError: other values.
    """
    levels = np.sign(weight).astype(np.int8)
    sizes = np.abs(weight)
    largest = sizes.max()
    if _all_on(sizes, largest):
        return Codes(levels, np.full((1, 1), largest or _ANY, np.float32), TERNARY), 1
    by_row, by_column = sizes.max(axis=1, keepdims=True), sizes.max(axis=0, keepdims=True)
    rows, cols = weight.shape
    if _all_on(sizes, by_row):
        for parts in _divisors(rows):
            if (scales := _bands(by_row[:, 0], parts)) is not None:
                return Codes(levels, np.repeat(scales, rows // parts)[:, None], TERNARY), parts
    if _all_on(sizes, by_column):
        for parts in _divisors(cols):
            if (scales := _bands(by_column[0], parts)) is not None:
                return Codes(levels, np.tile(scales, (rows, 1)), TERNARY), parts
    raise FormatError(
        f"{where} is neither ternary nor made of equal bands of rows or columns that are: its values are not all -s, 0 "
        "or s. A model in full precision: pentanet quantize. Masters of a BitNet: pentanet import --masters"
    )


def _all_on(sizes: NDArray[np.float32], scales: NDArray[np.float32] | np.float32) -> bool:
    return bool(((sizes == 0) | (sizes == scales)).all())


def _divisors(count: int) -> Iterator[int]:
    return (parts for parts in range(2, min(count, _MOST_SHARDS) + 1) if count % parts == 0)


def _bands(sizes: NDArray[np.float32], parts: int) -> NDArray[np.float32] | None:
    """The one size of each of so many equal bands of lines; None where a band has two."""
    bands = sizes.reshape(parts, -1)
    scales = bands.max(axis=1, keepdims=True)
    return np.where(scales > 0, scales, _ANY)[:, 0] if _all_on(bands, scales) else None

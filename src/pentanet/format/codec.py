"""What a layout must say of its groups; `layouts` puts groups of all kinds in the same order."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Protocol

import numpy as np
from numpy.typing import NDArray

from pentanet.errors import CodeError
from pentanet.grid import Grid

TILE_ROWS = 16


@dataclass(frozen=True, kw_only=True, slots=True)
class Place:
    """Where some rows come from, for messages: the tensor, its layout, the first of the rows."""

    tensor: str
    layout: str
    row: int

    def damaged(self, what: str) -> CodeError:
        """The error of bytes that no encoder writes."""
        return CodeError(
            f"tensor '{self.tensor}': {what}. The file is damaged or was not written by pentanet; pack the model again."
        )


class GroupCoder(Protocol):
    """How the levels of a group, 16 rows x KG inputs, become bytes and back.

    Attributes:
        inputs: KG.
        nbytes: of a group.
        block: inputs that are coded together; a matrix has whole blocks of them.
    """

    @property
    def inputs(self) -> int: ...
    @property
    def nbytes(self) -> int: ...
    @property
    def block(self) -> int: ...

    def padding(self, grid: Grid) -> tuple[int, ...]:
        """Levels of one block of inputs that lie outside of the matrix."""
        ...

    def draw(self, generator: np.random.Generator, grid: Grid, rows: int, cols: int) -> NDArray[np.int8]:
        """Random levels [rows, cols] that can be stored; cols is a multiple of `block`."""
        ...

    def pack(self, digits: NDArray[np.uint8], grid: Grid, at: Place) -> NDArray[np.uint8]:
        """Digits [tiles * 16, groups * inputs], level indices, to the bytes of their groups, tile after tile.

        Raises:
            UnpackableError: digits that cannot be coded.
        """
        ...

    def unpack(self, stream: NDArray[np.uint8], groups: int, grid: Grid, at: Place) -> NDArray[np.int8]:
        """The bytes of some tiles of `groups` groups each to levels [tiles * 16, groups * inputs].

        Raises:
            CodeError: bytes that no encoder writes.
        """
        ...

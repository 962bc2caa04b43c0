"""The tensors of a packed directory as the native engine takes them."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np
from numpy.typing import NDArray

from pentanet.errors import CodeError
from pentanet.format.packed_model import PackedModel
from pentanet.format.tensors import CodedSpec

if TYPE_CHECKING:
    from pentanet._native import Matrix


class NativeParts:
    """Tensors of a directory whose names and shapes have been checked.

    The threads share the work of looking at all codes, and of repacking where the instruction set reads another layout
    than the file has.
    """

    def __init__(self, packed: PackedModel, isa: str, threads: int) -> None:
        from pentanet import _native

        self.packed, self.isa, self.threads = packed, isa, threads
        self.arena = _native.Arena() if _native.huge_pages() else None

    def vector(self, name: str, kind: str = "weight") -> NDArray[np.float32]:
        """A plain tensor of a module."""
        return self.packed.plain(f"{name}.{kind}")

    def matrix(self, name: str, *, whole: bool = True) -> Matrix:
        """A matrix in huge pages, in the order of the calls; where not the whole of it is read, in the file.

        Raises:
            CodeError: it holds bytes that no encoder writes.
        """
        from pentanet._native import Matrix

        name = f"{name}.weight"
        spec, raw = self.packed.spec(name), self.packed.tensor_file.raw(name)
        rows, cols = spec.shape
        if not isinstance(spec, CodedSpec):
            return Matrix.plain(raw, dtype=spec.dtype, rows=rows, cols=cols, isa=self.isa)
        scales = self.packed.scales(name)
        try:
            return Matrix.coded(
                raw,
                scales,
                self.packed.bias(name),
                layout=spec.layout,
                lowest=spec.grid.lowest,
                spacing=spec.grid.spacing,
                size=spec.grid.size,
                rows=rows,
                cols=spec.inputs,  # of planes side by side, which the engine gives the inputs as often
                isa=self.isa,
                threads=self.threads,
                arena=self.arena if whole else None,
            )
        except ValueError as error:
            raise CodeError(f"{self.packed.path}: tensor '{name}': {error}") from None

"""Every layout at decode and at prefill, each round beside the limit that binds it."""

from __future__ import annotations

from dataclasses import asdict, dataclass
from typing import TYPE_CHECKING, Any

from pentanet.format.layouts import layout
from pentanet.speed import synthetic
from pentanet.speed.rounds import Limits, Measured, against_limit
from pentanet.speed.settings import Settings

if TYPE_CHECKING:
    from pentanet._native import Matrix, Timing


@dataclass(frozen=True, kw_only=True, slots=True)
class Row:
    """One measurement of a layout, as it stands in the JSON.

    Attributes:
        layout: name on disk.
        bits: that are read from memory per weight, scales and padding included; more than on disk where the
            instruction set repacks the matrix when it is opened.
        tokens: 1 is decode.
        value: in `unit`: GB/s of weights read (decode), 10^9 operations per second (prefill), two per weight and token.
        fraction: of the limit with the same threads.
    """

    layout: str
    bits: float
    threads: int
    rows: int
    cols: int
    tokens: int
    value: float
    unit: str
    fraction: float

    def to_dict(self) -> dict[str, Any]:
        """The fields as JSON can hold them."""
        return asdict(self)


@dataclass(frozen=True, slots=True)
class Matrices:
    """The matrices of one layout."""

    layout: str
    settings: Settings
    found: list[Matrix]

    @property
    def in_memory(self) -> str:
        """Name of the layout that the kernels read."""
        return self.found[0].layout_in_memory

    def decode(self, timing: Timing, limits: Limits) -> tuple[Row, float]:
        """One token through each matrix, and the spread of its fraction of the read limit."""
        limit, seconds = timing.products(self.found, tokens=1, read=True, seconds=self.settings.seconds)
        limits.read.setdefault(timing.threads, []).extend(limit)
        measured = against_limit(sum(matrix.nbytes for matrix in self.found), seconds, limit)
        return self._row(timing.threads, 1, measured, "GB/s"), measured.spread

    def prefill(self, timing: Timing, tokens: int, limits: Limits) -> tuple[Row, float]:
        """Some tokens through one matrix, and the spread of its fraction of the int8 peak."""
        limit, seconds = timing.products(self.found[:1], tokens=tokens, read=False, seconds=self.settings.seconds)
        limits.multiply.setdefault(timing.threads, []).extend(limit)
        operations = 2 * self.settings.rows * self.settings.cols * tokens
        measured = against_limit(operations, seconds, limit)
        return self._row(timing.threads, tokens, measured, "GOPS"), measured.spread

    def _row(self, threads: int, tokens: int, measured: Measured, unit: str) -> Row:
        rows, cols = self.settings.rows, self.settings.cols
        return Row(
            layout=self.layout,
            bits=8 * self.found[0].nbytes / (rows * cols),
            threads=threads,
            rows=rows,
            cols=cols,
            tokens=tokens,
            value=measured.value / 1e9,
            unit=unit,
            fraction=measured.fraction,
        )


def make(name: str, settings: Settings, isa: str) -> Matrices:
    """Matrices of the layout `name`, as many as `settings` asks for."""
    found = synthetic.matrices(layout(name), settings.rows, settings.cols, settings.buffer, isa)
    return Matrices(name, settings, found)

"""How many weights share one scale: the whole tensor, a row, or a group of consecutive inputs of a row."""

from __future__ import annotations

from dataclasses import dataclass

from torch import Tensor

from pentanet.errors import ConfigError


@dataclass(frozen=True, slots=True)
class Granularity:
    """`inputs` is None for the tensor, 0 for a row, or the length of a group.

    Where that does not divide a row, a group may be a shorter multiple of `fits`: see `group_near`.  With 0 it may not.
    """

    name: str
    inputs: int | None
    fits: int = 0

    def blocks(self, weight: Tensor) -> Tensor:
        """View `weight` [rows, cols] as [a, b, n]: n weights share the scale at [a, b] of the exported scales.

        Raises:
            ConfigError: the groups do not divide a row.
        """
        rows, cols = weight.shape
        if self.inputs is None:
            return weight.reshape(1, 1, rows * cols)
        return weight.reshape(rows, -1, self._length(rows, cols))

    def scale_shape(self, rows: int, cols: int) -> tuple[int, int]:
        """Shape of the exported scales of a [rows, cols] weight.  Raises as `blocks`."""
        return (1, 1) if self.inputs is None else (rows, cols // self._length(rows, cols))

    def _length(self, rows: int, cols: int) -> int:
        """Inputs that share a scale."""
        if not self.inputs:
            return cols
        if cols % self.inputs == 0:
            return self.inputs
        if self.fits:
            shorter = next((n for n in range(min(self.inputs, cols), 0, -1) if cols % n == 0 and n % self.fits == 0), 0)
            if shorter == cols or 4 * shorter >= self.inputs:
                return shorter
        raise ConfigError(
            f"group of {self.inputs} inputs does not divide a weight of {rows} x {cols}; choose a divisor of {cols}"
        )


TENSOR = Granularity("tensor", None)
ROW = Granularity("row", 0)


def group(inputs: int) -> Granularity:
    """One scale per `inputs` consecutive inputs of a row."""
    if inputs < 1:
        raise ConfigError(f"group size {inputs}: must be at least 1")
    return Granularity(f"group:{inputs}", inputs)


def group_near(inputs: int, multiple: int = 1) -> Granularity:
    """One scale per `inputs` consecutive inputs, or per largest divisor of the row below that.

    So a method that is published with groups of 128 also takes matrices of 96 inputs.  The divisor is a multiple of
    `multiple`, and at least a quarter of `inputs`: a scale for every few weights would be another method.
    """
    return Granularity(f"group:{inputs}", inputs, fits=multiple)

"""How many weights share one scale: the whole tensor, a row, or a group of consecutive inputs of a row."""

from __future__ import annotations

from dataclasses import dataclass

from torch import Tensor

from pentanet.errors import ConfigError


@dataclass(frozen=True, slots=True)
class Granularity:
    """`inputs` is None for the tensor, 0 for a row, or the length of a group."""

    name: str
    inputs: int | None

    def blocks(self, weight: Tensor) -> Tensor:
        """View `weight` [rows, cols] as [a, b, n]: n weights share the scale at [a, b] of the exported scales."""
        rows, cols = weight.shape
        if self.inputs is None:
            return weight.reshape(1, 1, rows * cols)
        if self.inputs == 0:
            return weight.unsqueeze(1)
        if cols % self.inputs:
            raise ConfigError(
                f"group of {self.inputs} inputs does not divide a weight of {rows} x {cols}; choose a divisor of {cols}"
            )
        return weight.reshape(rows, cols // self.inputs, self.inputs)

    def scale_shape(self, rows: int, cols: int) -> tuple[int, int]:
        """Shape of the exported scales of a [rows, cols] weight."""
        if self.inputs is None:
            return (1, 1)
        return (rows, 1 if self.inputs == 0 else cols // self.inputs)


TENSOR = Granularity("tensor", None)
ROW = Granularity("row", 0)


def group(inputs: int) -> Granularity:
    """One scale per `inputs` consecutive inputs of a row."""
    if inputs < 1:
        raise ConfigError(f"group size {inputs}: must be at least 1")
    return Granularity(f"group:{inputs}", inputs)

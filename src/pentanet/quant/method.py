"""What the registry knows of a weight method."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

from pentanet.errors import ConfigError
from pentanet.grid import Grid
from pentanet.linear_options import Activations, LowRank
from pentanet.quant.base import Quantizer
from pentanet.quant.granularity import Granularity


@dataclass(frozen=True, kw_only=True, slots=True)
class Method:
    """A weight method.

    Attributes:
        name: the registry name: in `--method`, configurations, packed files and reports.
        title: one line for tables.
        grid: the levels, or None for full precision.
        granularity: what shares a scale, or None for full precision.
        make: builds a fresh quantizer for one weight.
        activations: how it rounds the inputs of linears unless the configuration says otherwise.
        low_rank: what stands beside the linears.
        multiple: the number of inputs of a matrix must be a multiple of this.
    """

    name: str
    title: str
    grid: Grid | None
    granularity: Granularity | None
    make: Callable[[], Quantizer]
    activations: Activations = "none"
    low_rank: LowRank = "none"
    multiple: int = 1

    def require_shape(self, rows: int, cols: int) -> None:
        """Refuse a matrix that the method cannot round.

        Raises:
            ConfigError: its groups do not divide the inputs, or its blocks do not.
        """
        if cols % self.multiple:
            raise ConfigError(f"a weight of {rows} x {cols}: its inputs must be a multiple of {self.multiple}")
        if self.granularity is not None:
            self.granularity.scale_shape(rows, cols)

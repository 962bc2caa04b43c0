"""A weight method is data: a grid, what shares a scale, a rule for the scale, and a rule for the gradient."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

from pentanet.errors import ConfigError
from pentanet.grid import Grid
from pentanet.linear_options import Activations, LowRank
from pentanet.quant.base import Quantizer
from pentanet.quant.gradients import GradientRule
from pentanet.quant.granularity import Granularity
from pentanet.quant.scales import ScaleRule
from pentanet.quant.uniform import UniformQuantizer


@dataclass(frozen=True, kw_only=True, slots=True)
class Method:
    """A weight method.

    Attributes:
        name: the registry name: in `--method`, configurations, packed files and reports.
        title: one line for tables.
        paper: arXiv number of where levels or training come from; "" for ours, and for others without one.
        grid: the levels, or None for full precision.
        granularity: what shares a scale, or None for full precision.
        scale: the rule of the scale, or None where the quantizer has one of its own.
        gradient: how the gradient returns through the rounding; a quantizer of its own may have another.
        build: makes the quantizer of one weight from this record.  The default is the four choices above and nothing
            else; a method with ideas of its own names its class here.
        activations: how it rounds the inputs of linears unless the configuration says otherwise.
        low_rank: what stands beside the linears.
        multiple: the number of inputs of a matrix must be a multiple of this.
    """

    name: str
    title: str
    grid: Grid | None
    granularity: Granularity | None
    scale: ScaleRule | None = None
    gradient: GradientRule = "identity"
    build: Callable[[Method], Quantizer] = UniformQuantizer.of
    activations: Activations = "none"
    low_rank: LowRank = "none"
    multiple: int = 1
    paper: str = ""

    def make(self) -> Quantizer:
        """A fresh quantizer, for one weight."""
        return self.build(self)

    def require_shape(self, rows: int, cols: int) -> None:
        """Refuse a matrix that the method cannot round.

        Raises:
            ConfigError: its groups do not divide the inputs, or its blocks do not.
        """
        if cols % self.multiple:
            raise ConfigError(f"a weight of {rows} x {cols}: its inputs must be a multiple of {self.multiple}")
        if self.granularity is not None:
            self.granularity.scale_shape(rows, cols)

    def gaussian_occupancy(self) -> dict[int, float]:
        """The share of Gaussian weights at each level.

        Empty where theory has no answer: without a fixed rule for the scale (full precision, learned steps), or with
        groups of inputs, which are too short for a law of large numbers.
        """
        scale = None if self.scale is None else self.scale.gaussian
        if self.grid is None or scale is None or self.granularity is None or self.granularity.inputs:
            return {}
        return dict(zip(self.grid.levels, self.grid.gaussian(scale).occupancy, strict=True))

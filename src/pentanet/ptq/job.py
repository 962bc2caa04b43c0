"""Everything that a quantization works with, as one object: what is quantized, how, where it waits, and who works."""

from __future__ import annotations

from dataclasses import dataclass

from torch import Tensor

from pentanet.families.tensor_table import linear_names
from pentanet.ptq.config import QuantizeConfig
from pentanet.ptq.mixed_text import CalibrationText
from pentanet.ptq.unfinished import Progress, Work
from pentanet.ptq.workers import Workers
from pentanet.sources.source import Source


@dataclass(frozen=True, kw_only=True, slots=True, eq=False)
class Job:
    """One quantization.

    Attributes:
        source: the open model, in the coordinates that it is quantized in.
        config: method and settings.
        work: the folder in which finished tensors wait.
        workers: threads for matrices that do not depend on each other.
        progress: told the stage, and how much of how much of it is done.
        calibration: what a calibrated method looks at; None for the others.
    """

    source: Source
    config: QuantizeConfig
    work: Work
    workers: Workers
    progress: Progress
    calibration: CalibrationText | None = None

    @property
    def linears(self) -> list[str]:
        """Names of the matrices that are quantized, in the order of the network."""
        return list(linear_names(self.source.config, self.source.vocab))

    @property
    def windows(self) -> Tensor | None:
        """Token ids [B, T] that the method looks at; None where it looks at none."""
        return self.calibration.windows if self.calibration else None

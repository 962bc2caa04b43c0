"""Everything that a quantization works with, as one object: what is quantized, how, where it waits, and who works."""

from __future__ import annotations

from dataclasses import dataclass

from torch import Tensor

from pentanet.families.tensor_table import linear_names
from pentanet.ptq.config import CALIBRATED, QuantizeConfig
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
        windows: token ids [B, T] that a calibrated method looks at; None for the others.
    """

    source: Source
    config: QuantizeConfig
    work: Work
    workers: Workers
    progress: Progress
    windows: Tensor | None = None

    @property
    def linears(self) -> list[str]:
        """Names of the matrices that are quantized, in the order of the network."""
        return list(linear_names(self.source.config, self.source.vocab))

    @property
    def calibration(self) -> Tensor | None:
        """The windows, where the method looks at them."""
        return self.windows if self.config.method in CALIBRATED else None

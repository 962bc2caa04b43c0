"""The grid of each matrix under a budget of bits: measure, then allocate."""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import replace

from torch import Tensor

from pentanet.errors import ConfigError
from pentanet.families.tensor_table import bias_of
from pentanet.grid import grid
from pentanet.ptq.budget import CANDIDATES, allocate, stored_bits
from pentanet.ptq.calibrate import Calibration, Moments
from pentanet.ptq.config import CALIBRATED, QuantizeConfig
from pentanet.ptq.quantize_matrix import quantize_matrix
from pentanet.ptq.store import rounding_errors
from pentanet.ptq.unfinished import Progress, Work
from pentanet.ptq.workers import Workers
from pentanet.sources.source import Source


def choose_grids(
    source: Source,
    config: QuantizeConfig,
    work: Work,
    linears: Sequence[str],
    calibration: Tensor | None,
    workers: Workers,
    progress: Progress,
) -> dict[str, str]:
    """Grid of each linear, by name.

    What is measured waits in `work`, so that a run that was stopped goes on.

    Raises:
        ConfigError: the budget is below what the smallest grid takes.
    """
    weights = sum(math.prod(source.shapes[name]) for name in linears)
    bits = {name: _bits(source, name, config) for name in linears}
    least = sum(found[0] for found in bits.values()) / weights
    if least > config.bits_budget:
        raise ConfigError(
            f"a budget of {config.bits_budget:g} bits: {CANDIDATES[0]} with these scales takes {least:.3f}. Raise it, "
            "or let more inputs share a scale (--group)"
        )
    if config.method in CALIBRATED and calibration is not None:
        _measure_outputs(source, config, work, calibration, linears, workers, progress)
    else:
        _measure_weights(source, config, work, linears, workers, progress)
    errors = {name: work.noted(name) or [] for name in linears}
    chosen = allocate(errors, bits, config.bits_budget * weights)
    return {name: CANDIDATES[choice] for name, choice in chosen.items()}


def _bits(source: Source, name: str, config: QuantizeConfig) -> list[int]:
    bias = bias_of(name, source.shapes) is not None
    return [stored_bits(source.shapes[name], found, config.granularity, bias=bias) for found in CANDIDATES]


def _measure_weights(
    source: Source, config: QuantizeConfig, work: Work, linears: Sequence[str], workers: Workers, progress: Progress
) -> None:
    def one(name: str) -> None:
        if work.noted(name) is None:
            work.note(name, rounding_errors(source, name, config, CANDIDATES))

    for done, _ in enumerate(workers.map(one, linears, lambda name: 4 * math.prod(source.shapes[name]))):
        progress("measure", done + 1, len(linears))


def _measure_outputs(
    source: Source,
    config: QuantizeConfig,
    work: Work,
    ids: Tensor,
    linears: Sequence[str],
    workers: Workers,
    progress: Progress,
) -> None:
    """By GPTQ, each matrix alone in the network as it was: `refine` lowers all of its errors by about as much."""
    if all(work.noted(name) is not None for name in linears):
        return
    alone, calibration = replace(config, method="gptq"), Calibration(source, ids, original=False)

    def one(name: str, weight: Tensor, moments: Moments) -> Tensor:
        if work.noted(name) is None:
            work.note(name, [quantize_matrix(weight, moments, grid(found), alone)[1] for found in CANDIDATES])
        return weight

    for layer in range(source.config.layers):
        calibration.advance(layer, one, workers)
        progress("measure", layer + 1, source.config.layers)

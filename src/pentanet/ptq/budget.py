"""Which grid each matrix gets, so that all of them together stay within a number of bits and lose least.

The loss of a matrix on a grid is measured before: the share of its outputs' energy (on a calibration text) or of its
own squared size that the error takes.  Their sum is made small under the budget: at a price of a bit, each matrix takes
the grid with the least error plus price of its bits (Shoham and Gersho 1988, "Efficient bit allocation for an arbitrary
set of quantizers").  The price is found by bisection; what is left of the budget buys the best steps that still fit.
"""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from dataclasses import replace

from torch import Tensor

from pentanet import grid as grids
from pentanet.errors import ConfigError
from pentanet.families.tensor_table import bias_of
from pentanet.format import layouts
from pentanet.format.header import ALIGNMENT
from pentanet.format.tensors import CodedSpec
from pentanet.ptq.calibrate import Calibration, Moments
from pentanet.ptq.job import Job
from pentanet.ptq.quantize_matrix import quantize_matrix
from pentanet.ptq.store import rounding_errors
from pentanet.quant.granularity import Granularity

CANDIDATES = ("ternary", "pentanary", "int4", "int8")
"""Grids that fill their layouts; ascending in bits."""
_BISECTIONS = 60


def choose_grids(job: Job) -> dict[str, str]:
    """Grid of each linear, by name.

    What is measured waits in the job's folder, so that a run that was stopped goes on.

    Raises:
        ConfigError: the budget is below what the smallest grid takes.
    """
    source, budget = job.source, job.config.bits_budget
    weights = sum(math.prod(source.shapes[name]) for name in job.linears)
    bits = {name: _bits(job, name) for name in job.linears}
    least = sum(found[0] for found in bits.values()) / weights
    if least > budget:
        raise ConfigError(
            f"a budget of {budget:g} bits: {CANDIDATES[0]} with these scales takes {least:.3f}. Raise it, "
            "or let more inputs share a scale (--group)"
        )
    if job.windows is None:
        _measure_weights(job)
    else:
        _measure_outputs(job, job.windows)
    errors = {name: job.work.noted(name) or [] for name in job.linears}
    chosen = allocate(errors, bits, budget * weights)
    return {name: CANDIDATES[choice] for name, choice in chosen.items()}


def stored_bits(shape: tuple[int, ...], grid: str, granularity: Granularity, *, bias: bool) -> int:
    """Bits of a matrix on a grid in the file, with its scales, bias and padding.

    Raises:
        ConfigError: the groups do not divide a row.
    """
    rows, cols = shape
    found = grids.grid(grid)
    layout = layouts.default_layout(found)
    spec = CodedSpec((rows, cols), found, layout, granularity.scale_shape(rows, cols), bias)
    return 8 * sum(-(-entry.nbytes // ALIGNMENT) * ALIGNMENT for entry in spec.entries("matrix").values())


def allocate(errors: Mapping[str, Sequence[float]], bits: Mapping[str, Sequence[int]], budget: float) -> dict[str, int]:
    """Index of the choice of each matrix.

    Args:
        errors: of each choice, by matrix.
        bits: of each choice, ascending, by matrix.
        budget: most bits of all together.

    The first choices must fit.
    """
    assert sum(found[0] for found in bits.values()) <= budget
    price = _least_price(errors, bits, budget)
    chosen = {name: _choice(errors[name], bits[name], price) for name in errors}
    left = budget - _total(bits, chosen)
    while (step := _best_step(errors, bits, chosen, left)) is not None:
        name, choice = step
        left -= bits[name][choice] - bits[name][chosen[name]]
        chosen[name] = choice
    return chosen


def _least_price(errors: Mapping[str, Sequence[float]], bits: Mapping[str, Sequence[int]], budget: float) -> float:
    """A price of a bit at which the choices fit, and with little less they would not."""

    def fits(price: float) -> bool:
        return _total(bits, {name: _choice(errors[name], bits[name], price) for name in errors}) <= budget

    if fits(0.0):
        return 0.0
    low, high = 1e-30, 1.0  # of an error per bit: no matrix pays all of its energy for one bit
    while not fits(high):
        high *= 2
    for _ in range(_BISECTIONS):
        middle = math.sqrt(low * high)
        low, high = (low, middle) if fits(middle) else (middle, high)
    return high


def _choice(errors: Sequence[float], bits: Sequence[int], price: float) -> int:
    return min(range(len(errors)), key=lambda i: (errors[i] + price * bits[i], bits[i]))


def _total(bits: Mapping[str, Sequence[int]], chosen: Mapping[str, int]) -> int:
    return sum(bits[name][choice] for name, choice in chosen.items())


def _best_step(
    errors: Mapping[str, Sequence[float]], bits: Mapping[str, Sequence[int]], chosen: Mapping[str, int], left: float
) -> tuple[str, int] | None:
    """The matrix and its new choice that take most error away for each bit, within what is left."""
    best, most = None, 0.0
    for name, now in chosen.items():
        for choice in range(now + 1, len(errors[name])):
            cost = bits[name][choice] - bits[name][now]
            gain = (errors[name][now] - errors[name][choice]) / cost
            if cost <= left and gain > most:
                best, most = (name, choice), gain
    return best


def _bits(job: Job, name: str) -> list[int]:
    shapes = job.source.shapes
    bias = bias_of(name, shapes) is not None
    return [stored_bits(shapes[name], found, job.config.granularity, bias=bias) for found in CANDIDATES]


def _measure_weights(job: Job) -> None:
    source, linears = job.source, job.linears

    def one(name: str) -> None:
        if job.work.noted(name) is None:
            job.work.note(name, rounding_errors(source, name, job.config, CANDIDATES))

    for done, _ in enumerate(job.workers.map(one, linears, lambda name: 4 * math.prod(source.shapes[name]))):
        job.progress("measure", done + 1, len(linears))


def _measure_outputs(job: Job, ids: Tensor) -> None:
    """By GPTQ, each matrix alone in the network as it was: `refine` lowers all of its errors by about as much."""
    if all(job.work.noted(name) is not None for name in job.linears):
        return
    alone, calibration = replace(job.config, method="gptq"), Calibration(job.source, ids, original=False)

    def one(name: str, weight: Tensor, moments: Moments) -> Tensor:
        if job.work.noted(name) is None:
            job.work.note(name, [quantize_matrix(weight, moments, grids.grid(g), alone)[1] for g in CANDIDATES])
        return weight

    for layer in range(job.source.config.layers):
        calibration.advance(layer, one, job.workers)
        job.progress("measure", layer + 1, job.source.config.layers)

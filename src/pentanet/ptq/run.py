"""Quantize a pretrained model: tensor by tensor from its files to a model directory, never all of it in memory."""

from __future__ import annotations

import hashlib
import math
import resource
import sys
import time
from collections.abc import Callable, Iterator
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

import numpy as np
import torch
from torch import Tensor

from pentanet import __version__
from pentanet.codes import Codes
from pentanet.errors import ConfigError
from pentanet.grid import GRIDS, NONARY, grid
from pentanet.pack import layouts
from pentanet.pack.card import model_card
from pentanet.pack.inspect import inspect
from pentanet.pack.model_dir import check_target, write_model
from pentanet.pack.packed_model import TOKENIZER
from pentanet.pack.tensors import Coded, Plain
from pentanet.ptq.calibrate import Calibration, Moments
from pentanet.ptq.config import CALIBRATED, QuantizeConfig
from pentanet.ptq.matrix import quantize_matrix
from pentanet.ptq.network import expected_shapes, linear_names
from pentanet.ptq.planes import trit_planes
from pentanet.ptq.rtn import round_to_nearest
from pentanet.ptq.source import Source
from pentanet.ptq.work import Work
from pentanet.quant.granularity import ROW

BLOCK_WEIGHTS = 1 << 18  # of a matrix are worked on at a time: a few passes stay in the cache

Progress = Callable[[str, int, int], None]


@dataclass(frozen=True, kw_only=True, slots=True)
class Quantized:
    """What a quantization made.

    Attributes:
        out: the model directory.
        method, grid, group: as asked for.
        parameters, quantized_parameters: numbers of weights.
        file_bits_per_weight: all of model.safetensors per parameter.
        quantized_bits_per_weight: the quantized matrices with scales and padding, per weight.
        weight_error: |W - Q| / |W| over all quantized matrices.
        layers: the same for each of them, with grid and bits, and `output_error` |(W - Q) x|^2 / |W x|^2 on the
            calibration text, where there is one.
        seconds: of work, without what an earlier run had done.
        peak_rss_bytes: of the process; 0 where the system does not say.
    """

    out: str
    source: str
    method: str
    grid: str
    group: int
    parameters: int
    quantized_parameters: int
    file_bits_per_weight: float
    quantized_bits_per_weight: float | None
    weight_error: float
    layers: list[dict[str, Any]]
    seconds: float
    peak_rss_bytes: int

    def to_dict(self) -> dict[str, Any]:
        """The fields as JSON can hold them."""
        return asdict(self)


def quantize(
    source: Source,
    out: Path,
    config: QuantizeConfig,
    *,
    calibration: Tensor | None = None,
    overwrite: bool = False,
    progress: Progress = lambda stage, done, total: None,
) -> Quantized:
    """Quantize the linears of the blocks, store embedding and head as asked, and write a model directory.

    A run that was stopped goes on with the next tensor: what is finished waits in `OUT.unfinished`.

    Args:
        source: the open model.
        out: the directory to make.
        config: method and settings.
        calibration: for calibrated methods: windows of token ids [B, T].
        overwrite: replace a model directory that is there.
        progress: told the stage, and how many of how many weights are done.

    Raises:
        WriteError: `out` is in use, an unfinished run with other settings is there, or the disk is full.
        FormatError: a tensor cannot be read.
        ConfigError: the groups do not divide a row; a calibrated method without calibration.
    """
    started = time.monotonic()
    if config.method in CALIBRATED and calibration is None:
        raise ConfigError(f"method '{config.method}' looks at a text: give it windows of one (`read_windows`)")
    out = out.resolve()
    check_target(out, overwrite)
    text = hashlib.sha256(calibration.numpy().tobytes()).hexdigest() if calibration is not None else None
    run = {"source": source.fingerprint(), "calibration": text, "version": __version__}
    work = Work(out, {**config.to_dict(), **run})
    shapes = expected_shapes(source.config, source.vocab)
    linears = set(linear_names(source.config, source.vocab))
    facts: dict[str, dict[str, Any]] = {}
    if calibration is not None and config.method in CALIBRATED:
        facts |= _calibrated(source, config, work, calibration, progress)
    done, total = 0, sum(map(math.prod, shapes.values()))
    for name, shape in shapes.items():
        found = facts.get(name) or work.facts(name)
        if found is None:
            made, found = _store(source, name, config, quantized=name in linears)
            work.add(name, made, found)
        facts[name] = found
        done += math.prod(shape)
        progress("quantize", done, total)
    errors = {name: facts[name] for name in shapes if name in linears}
    _write(source, out, config, work, list(shapes), overwrite)
    work.remove()
    held = inspect(out, verify=False)
    bits = {row.name: row.bits_per_weight for row in held.rows}
    return Quantized(
        out=str(out),
        source=str(source.path),
        method=config.method,
        grid=config.grid,
        group=config.group,
        parameters=held.parameters,
        quantized_parameters=sum(math.prod(shapes[name]) for name in linears),
        file_bits_per_weight=held.file_bits_per_weight,
        quantized_bits_per_weight=held.quantized_bits_per_weight,
        weight_error=_relative([(e["error"], e["power"]) for e in errors.values()]),
        layers=[
            {
                "name": name,
                "grid": e["grid"],
                "bits": bits[name],
                "weight_error": _relative([(e["error"], e["power"])]),
                "output_error": e.get("output_error"),
            }
            for name, e in errors.items()
        ],
        seconds=round(time.monotonic() - started, 3),
        peak_rss_bytes=peak_rss(),
    )


def _calibrated(
    source: Source, config: QuantizeConfig, work: Work, ids: Tensor, progress: Progress
) -> dict[str, dict[str, Any]]:
    """The linears of all blocks, in the order in which activations reach them; facts by name."""
    levels, calibration = grid(config.grid), Calibration(source, ids)
    facts: dict[str, dict[str, Any]] = {}

    def one(name: str, weight: Tensor, moments: Moments) -> Tensor:
        found = work.facts(name)
        if found is None:
            codes, share = quantize_matrix(weight, moments, levels, config)
            used = torch.from_numpy(codes.dequantize())
            found = {"grid": levels.name, "error": squared(weight - used), "power": squared(weight)}
            found["output_error"] = share
            work.add(name, Coded(codes, layouts.densest_layout(codes)), found)
        else:
            used = torch.from_numpy(work.codes(name).dequantize())
        facts[name] = found
        return used

    for layer in range(source.config.layers):
        calibration.advance(layer, one)
        progress("calibrate", layer + 1, source.config.layers)
    return facts


def _store(
    source: Source, name: str, config: QuantizeConfig, *, quantized: bool
) -> tuple[Coded | Plain, dict[str, Any]]:
    """One tensor as it will be stored, and the facts of it: squared error and squared size."""
    if quantized:
        return _coded(source, name, lambda weight: _weight_only(weight, config))
    if len(source.shapes[name]) == 2 and config.embedding == "int8":
        return _coded(source, name, lambda weight: round_to_nearest(weight, GRIDS["int8"], ROW))
    dtype = config.embedding if len(source.shapes[name]) == 2 else "float32"
    return Plain(source.tensor(name).numpy(), dtype), {}


def _weight_only(weight: Tensor, config: QuantizeConfig) -> Codes:
    if config.method != "ptqtp":
        return round_to_nearest(weight, grid(config.grid), config.granularity)
    if config.tied:  # 3 t1 + t2 takes all of -4..4
        return round_to_nearest(weight, NONARY, config.granularity)
    return trit_planes(weight, config.granularity, config.planes)


def _coded(source: Source, name: str, method: Callable[[Tensor], Codes]) -> tuple[Coded, dict[str, Any]]:
    """A matrix, some rows at a time: rows do not depend on each other."""
    parts: list[Codes] = []
    error = power = 0.0
    for weight in row_blocks(source, name):
        part = method(weight)
        parts.append(part)
        error += squared(weight - torch.from_numpy(part.dequantize()))
        power += squared(weight)
    levels, scales = np.concatenate([part.levels for part in parts]), np.concatenate([part.scales for part in parts])
    made = Codes(levels, scales, parts[0].grid, planes=parts[0].planes)
    return Coded(made, layouts.densest_layout(made)), {"grid": made.grid.name, "error": error, "power": power}


def row_blocks(source: Source, name: str) -> Iterator[Tensor]:
    """The rows of a matrix, some at a time."""
    rows, cols = source.shapes[name]
    step = max(1, BLOCK_WEIGHTS // cols)
    for start in range(0, rows, step):
        yield source.rows(name, start, min(start + step, rows))


def squared(values: Tensor) -> float:
    """Sum of squares, in float64 from rows on."""
    return float(values.square().sum(-1).double().sum())


def peak_rss() -> int:
    """Most memory that the process held at any time, in bytes."""
    most = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
    return most if sys.platform == "darwin" else most * 1024


def _relative(sums: list[tuple[float, float]]) -> float:
    error, power = sum(e for e, _ in sums), sum(p for _, p in sums)
    return math.sqrt(error / power) if power else 0.0


def _write(source: Source, out: Path, config: QuantizeConfig, work: Work, names: list[str], overwrite: bool) -> None:
    beside = {name: content for name, content in source.files.items() if name != TOKENIZER}
    title = f"{config.method}, {config.grid}, {'row scales' if not config.group else f'groups of {config.group}'}"
    facts = {
        "name": f"{source.path.stem} quantized",
        "made_from": source.path.name,
        "method": config.method,
        "title": title,
        "grid": config.grid,
        "context": source.config.context,
        "vocab": source.vocab,
        "version": __version__,
    }
    write_model(
        out,
        config=source.hub_config,
        tensors={name: work.stored(name) for name in names},
        method=config.method,
        tokenizer=source.files.get(TOKENIZER),
        card=model_card(facts),
        beside=beside,
        overwrite=overwrite,
    )

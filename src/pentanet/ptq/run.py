"""Quantize a pretrained model: tensor by tensor from its files to a model directory, never all of it in memory."""

from __future__ import annotations

import math
import sys
import time
from collections import Counter
from collections.abc import Mapping
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

import torch
from torch import Tensor

from pentanet import __version__
from pentanet.families.tensor_table import bias_of, hub_shapes
from pentanet.format import layouts
from pentanet.format.card import model_card
from pentanet.format.model_dir import check_target, write_model
from pentanet.format.packed_model import TOKENIZER
from pentanet.format.tensors import Coded
from pentanet.grid import grid
from pentanet.ptq.budget import choose_grids
from pentanet.ptq.calibrate import Calibration, Moments
from pentanet.ptq.config import CALIBRATED, QuantizeConfig
from pentanet.ptq.job import Job
from pentanet.ptq.mixed_text import CalibrationText, mixed_text
from pentanet.ptq.quantize_matrix import quantize_matrix
from pentanet.ptq.store import biased, squared, store
from pentanet.ptq.unfinished import Progress, Work
from pentanet.ptq.workers import Workers
from pentanet.runtime.inspect import inspect
from pentanet.sources.open import open_source
from pentanet.sources.rotated import RotatedSource
from pentanet.sources.source import Source


@dataclass(frozen=True, kw_only=True, slots=True)
class Quantized:
    """What a quantization made.

    Attributes:
        out: the model directory.
        method, grid, group: as asked for.
        grids: how many matrices have each.
        parameters, quantized_parameters: numbers of weights.
        file_bits_per_weight: all of model.safetensors per parameter.
        quantized_bits_per_weight: the quantized matrices with scales and padding, per weight.
        weight_error: |W - Q| / |W| over all quantized matrices.
        layers: the same for each of them, with grid and bits, and `output_error` |(W - Q) x|^2 / |W x|^2 on the
            calibration text, where there is one.
        calibration: the text that a calibrated method looked at: what it is, its size and its sha256.
        seconds: of work, without what an earlier run had done.
        peak_rss_bytes: of the process; 0 where the system does not say.
    """

    out: str
    source: str
    method: str
    grid: str
    grids: dict[str, int]
    group: int
    parameters: int
    quantized_parameters: int
    file_bits_per_weight: float
    quantized_bits_per_weight: float
    weight_error: float
    layers: list[dict[str, Any]]
    calibration: dict[str, Any] | None
    seconds: float
    peak_rss_bytes: int

    def to_dict(self) -> dict[str, Any]:
        """The fields as JSON can hold them."""
        return asdict(self)


def quantize(
    source: Source | str | Path,
    out: str | Path,
    config: QuantizeConfig,
    *,
    calibration: CalibrationText | None = None,
    overwrite: bool = False,
    workers: int = 1,
    progress: Progress = lambda stage, done, total: None,
) -> Quantized:
    """Quantize the linears of the blocks, store embedding and head as asked, and write a model directory.

    A run that was stopped goes on with the next tensor: what is finished waits in `OUT.unfinished`.

    Args:
        source: the open model, or the path of one for `open_source`.
        out: the directory to make.
        config: method and settings.
        calibration: for calibrated methods: the text they look at; None for `mixed_text`.
        overwrite: replace a model directory that is there.
        workers: matrices that are worked on at a time, as far as they do not depend on each other; the result is the
            same bytes.
        progress: told the stage, and how many of how many weights are done.

    Raises:
        WriteError: `out` is in use or holds the source, an unfinished run with other settings is there, or the disk is
            full.
        FormatError: a tensor cannot be read.
        UnsupportedArchitectureError: a network that cannot be rotated.
        DataError: a calibration whose activations are not finite.
        TextTooShortError: no calibration, and too few docstrings in this installation of Python.
        ConfigError: the groups do not divide a row; a budget below the smallest grid; no workers.
    """
    started = time.monotonic()
    source = source if isinstance(source, Source) else open_source(source)
    out = Path(out).resolve()
    check_target(out, overwrite, original=source.path)
    if config.method not in CALIBRATED:
        calibration = None
    used = RotatedSource(source) if config.rotate else source
    given = calibration.to_dict() if calibration is not None else None
    run = {"source": used.fingerprint(), "calibration": given, "version": __version__}
    work = Work(out, {**config.to_dict(), **run})
    if config.method in CALIBRATED and calibration is None:
        calibration = mixed_text(
            source,
            work.path,
            lambda copy: quantize(source, copy, QuantizeConfig(grid="int8"), workers=workers, progress=progress),
            samples=config.samples,
            window=config.window,
            threads=workers,
            progress=progress,
        )
    job = Job(
        source=used, config=config, work=work, workers=Workers(workers), progress=progress, calibration=calibration
    )
    facts = _quantized(job)
    _write(job, out, list(facts), overwrite)
    job.work.remove()
    return _result(job, out, facts, started)


def _quantized(job: Job) -> dict[str, dict[str, Any]]:
    """Every tensor that is stored, finished in the job's folder; what is known of each, in file order."""
    shapes, linears = hub_shapes(job.source.config, job.source.vocab), job.linears
    grids = choose_grids(job) if job.config.bits_budget else dict.fromkeys(linears, job.config.grid)
    calibrated = {} if job.windows is None else _calibrated(job, job.windows, grids)
    with_codes = {bias_of(name, shapes) for name in linears}
    stored = {name: shape for name, shape in shapes.items() if name not in with_codes}
    done, total = 0, sum(map(math.prod, stored.values()))

    def one(name: str) -> dict[str, Any]:
        found = calibrated.get(name) or job.work.facts(name)
        if found is None:
            made, found = store(job.source, name, job.config, grid(grids[name]) if name in grids else None)
            job.work.add(name, made, found)
        return found

    facts: dict[str, dict[str, Any]] = {}
    for name, found in zip(stored, job.workers.map(one, stored, lambda name: 4 * math.prod(stored[name])), strict=True):
        facts[name] = found
        done += math.prod(stored[name])
        job.progress("quantize", done, total)
    return facts


def _result(job: Job, out: Path, facts: Mapping[str, dict[str, Any]], started: float) -> Quantized:
    source, config, linears = job.source, job.config, job.linears
    chosen = set(linears)
    errors = {name: found for name, found in facts.items() if name in chosen}
    held = inspect(out, verify=False)
    bits = {row.name: row.bits_per_weight for row in held.rows}
    weights = {name: math.prod(source.shapes[name]) for name in linears}
    return Quantized(
        out=str(out),
        source=str(source.path),
        method=config.method,
        grid="by matrix" if config.bits_budget else config.grid,
        grids=dict(sorted(Counter(str(e["grid"]) for e in errors.values()).items())),
        group=config.group,
        parameters=held.parameters,
        quantized_parameters=sum(weights.values()),
        file_bits_per_weight=held.file_bits_per_weight,
        quantized_bits_per_weight=sum(bits[name] * weights[name] for name in linears) / sum(weights.values()),
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
        calibration=job.calibration.to_dict() if job.calibration else None,
        seconds=round(time.monotonic() - started, 3),
        peak_rss_bytes=peak_rss(),
    )


def _calibrated(job: Job, ids: Tensor, grids: Mapping[str, str]) -> dict[str, dict[str, Any]]:
    """The linears of all blocks, in the order in which activations reach them; facts by name."""
    source, work = job.source, job.work
    calibration = Calibration(source, ids, original=job.config.method == "refine")
    facts: dict[str, dict[str, Any]] = {}

    def one(name: str, weight: Tensor, moments: Moments) -> Tensor:
        found = work.facts(name)
        if found is None:
            levels = grid(grids[name])
            codes, share = quantize_matrix(weight, moments, levels, job.config)
            used = torch.from_numpy(codes.dequantize())
            found = {"grid": levels.name, "error": squared(weight - used), "power": squared(weight)}
            found["output_error"] = share
            made = biased(source, name, codes)
            work.add(name, Coded(made, layouts.densest_layout(made)), found)
        else:
            used = torch.from_numpy(work.codes(name).dequantize())
        facts[name] = found
        return used

    for layer in range(source.config.layers):
        calibration.advance(layer, one, job.workers)
        job.progress("calibrate", layer + 1, source.config.layers)
    return facts


def peak_rss() -> int:
    """Most memory that the process held at any time, in bytes; 0 on Windows, which does not tell."""
    if sys.platform == "win32":
        return 0
    import resource  # Unix alone has it

    most = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
    return most if sys.platform == "darwin" else most * 1024


def _relative(sums: list[tuple[float, float]]) -> float:
    error, power = sum(e for e, _ in sums), sum(p for _, p in sums)
    return math.sqrt(error / power) if power else 0.0


def _write(job: Job, out: Path, names: list[str], overwrite: bool) -> None:
    source, config = job.source, job.config
    beside = {name: content for name, content in source.files.items() if name != TOKENIZER}
    levels = f"{config.bits_budget:g} bits by matrix" if config.bits_budget else config.grid
    turned = ", rotated" if config.rotate else ""
    title = f"{config.method}, {levels}, {'row scales' if not config.group else f'groups of {config.group}'}{turned}"
    facts = {
        **source.facts,
        "name": f"{source.path.stem} quantized",
        "made_from": source.path.name,
        "method": config.method,
        "title": title,
        "grid": None if config.bits_budget else config.grid,
        "calibration": job.calibration.name if job.calibration else None,
        "context": source.config.context,
        "vocab": source.vocab,
        "version": __version__,
    }
    write_model(
        out,
        config=source.hub_config,
        tensors={name: job.work.stored(name) for name in names},
        method=config.method,
        tokenizer=source.files.get(TOKENIZER),
        card=model_card(facts),
        beside=beside,
        overwrite=overwrite,
    )

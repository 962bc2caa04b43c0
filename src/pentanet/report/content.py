"""What the page says and shows: text for the template, numbers for the script."""

from __future__ import annotations

from collections.abc import Sequence
from functools import partial
from typing import Any

from pentanet import __version__
from pentanet.report.data import data
from pentanet.report.facts import facts, moment
from pentanet.report.formats import duration, finite, percent, signed, size
from pentanet.report.palette import Style
from pentanet.report.records import Arm, Bench
from pentanet.report.runs import Run
from pentanet.report.sizes import arm_styles, differences
from pentanet.report.sizes import sentence as at_sizes
from pentanet.report.theory import gaussian_occupancy
from pentanet.report.threats import threats
from pentanet.report.verdicts import (
    by_control,
    caveat,
    contrast_numbers,
    evidence,
    headline,
    interval,
    mean_sd,
    sentence,
)

Cell = dict[str, Any]

# (metric, heading, what it means, decimals or a format)
COLUMNS: tuple[tuple[str, str, str, Any], ...] = (
    ("val_loss", "Validation loss", "nats per token, mean \u00b1 sd over seeds", 3),
    ("perplexity", "Perplexity", "exp of the loss", 1),
    ("file_bits_per_weight", "Bits per weight: file", "whole file over all parameters", 2),
    ("quantized_bits_per_weight", "Bits per weight: grid", "quantized weights with scales and padding", 2),
    ("bytes", "File", "model.safetensors", size),
    ("zero_fraction", "Zeros", "share of quantized weights", partial(percent, decimals=1)),
    ("flip_rate", "Flip rate", "quantized weights that change level in one step, mean over training", percent),
    ("seconds", "Time", "training, one run", duration),
)


def content(bench: Bench, runs: Sequence[Run]) -> tuple[dict[str, Any], dict[str, Any]]:
    """What the template needs and what the script needs."""
    style = arm_styles(bench)
    top, numbers = headline(bench), data(bench, runs, style)
    pairs = [at_sizes(pair, rows) for pair, rows in differences(bench).items()]
    view: dict[str, Any] = {
        "suite": bench.suite,
        "created": moment(bench.facts.get("created")),
        "version": __version__,
        "verdict": pairs[0] if pairs else sentence(top) if top else "No two methods were compared.",
        "evidence": "" if pairs else evidence(top) if top else "",
        "endings": [] if pairs else by_control(bench),
        "pairs": pairs[1:],
        "facts": facts(bench, runs),
        "columns": _columns(bench),
        "rows": [_row(bench, arm, style[arm.name]) for arm in bench.arms],
        "packing": _packing(bench),
        "samples": _samples(bench, style),
        "seeds": bench.seeds,
        "seed_options": [(seed, seed) for seed in bench.seeds],
        "diverged": [(r.method, r.seed, r.curves.diverged) for r in runs if r.curves.diverged is not None],
        "failed": _failed(bench),
        "partial": _partial(bench, runs),
        "config": next((r.config for r in runs if r.config), ""),
        "has_runs": bool(runs),
        "has_occupancy": any(arm.occupancy() for arm in bench.arms),
        "has_flips": any(run.curves.flips for run in runs),
        "uncorrected": any(caveat(d) for d in bench.losses),
        "has_differences": any(d.difference is not None for d in bench.losses),
        "contrasts": [(c.title, contrast_numbers(c), c.verdict) for c in bench.contrasts],
        "threats": threats(bench),
        "costs": _costs(bench),
        "has_sizes": _has_sizes(bench),
        "shown_first": top.method if top else "",
        "has_depth": bool(numbers["depth"]["lines"]),
        "measures": [(m["key"], m["name"]) for m in numbers["measures"]],
        "learned": [arm.name for arm in bench.arms if arm.occupancy() and not gaussian_occupancy(arm.method)],
    }
    return view, numbers


def _columns(bench: Bench) -> list[tuple[str, str]]:
    heads = [(heading, note) for _, heading, note, _ in COLUMNS]
    differences = [(f"\u2212 {control}", "nats, with 95 % interval") for control in bench.control_methods]
    return [*heads[:2], *differences, *heads[2:]]


def _row(bench: Bench, arm: Arm, style: Style) -> dict[str, Any]:
    cells = [_measure(arm, key, form) for key, _, _, form in COLUMNS]
    differences = [_difference(bench, arm, control) for control in bench.control_methods]
    return {
        "name": arm.name,
        "title": arm.title if arm.title != arm.name else "",
        "colour": style.colour,
        "cells": [*cells[:2], *differences, *cells[2:]],
    }


def _measure(arm: Arm, key: str, form: Any) -> Cell:
    value = arm.mean.get(key)
    if isinstance(form, int):
        text, spread = mean_sd(value, arm.sd.get(key), form)
        return {"text": text, "sub": spread if key in ("val_loss", "perplexity") else "", "sort": value}
    return {"text": form(value), "sub": "", "sort": value}


def _difference(bench: Bench, arm: Arm, control: str) -> Cell:
    """The cell under a control: at one of several sizes, the control of that size."""
    d = bench.against(arm.name, control)
    if d is None:
        return {"text": "", "sub": "", "sort": 0.0 if arm.method == control else None}
    return {"text": signed(d.difference, 3), "sub": interval(d), "sort": d.difference}


def _has_sizes(bench: Bench) -> bool:
    return len({arm.series for arm in bench.arms}) < len(bench.arms)


def _costs(bench: Bench) -> list[tuple[str, str]]:
    """What the loss can be drawn against; first what the suite is about."""
    options = [("file", "bits, whole file"), ("grid", "bits, quantized weights")]
    sizes = [("bytes", "file size")]
    if any("coded_bytes" in arm.mean for arm in bench.arms):
        sizes.append(("coded", "file size, levels entropy-coded"))
    return [*sizes, *options] if _has_sizes(bench) else [*options, *sizes]


def _packing(bench: Bench) -> str:
    pairs = [
        (finite(result.get("val_loss")), finite(result.get("packed_val_loss")))
        for arm in bench.arms
        for result in arm.seeds.values()
    ]
    gaps = [abs(a - b) for a, b in pairs if a is not None and b is not None]
    if not gaps:
        return ""
    which = f"{len(gaps)} packed model{'s' if len(gaps) > 1 else ''}"
    if max(gaps) == 0:
        return f"Reloaded from disk, {which} gave exactly the validation loss of training."
    return f"Reloaded from disk, {which} differed from training by at most {max(gaps):.1g} nats."


def _failed(bench: Bench) -> list[tuple[str, str, str]]:
    """Runs that ended without a result, and why."""
    return [
        (arm.name, seed, str(result["error"]))
        for arm in bench.arms
        for seed, result in arm.seeds.items()
        if result.get("error")
    ]


def _partial(bench: Bench, runs: Sequence[Run]) -> bool:
    """Whether the curves were measured on less of the validation split than the results."""
    for run in runs:
        arm = bench.arm(run.method)
        final = finite(arm.seeds[run.seed].get("val_loss")) if arm else None
        if final is not None and run.curves.valid and abs(final - run.curves.valid[-1][1]) > 1e-6:
            return True
    return False


def _samples(bench: Bench, style: dict[str, Style]) -> list[dict[str, Any]]:
    found: list[dict[str, Any]] = []
    for arm in bench.arms:
        texts = [
            (seed, result["sample"])
            for seed, result in arm.seeds.items()
            if isinstance(result.get("sample"), str) and result["sample"].strip()
        ]
        if texts:
            found.append({"name": arm.name, "colour": style[arm.name].colour, "texts": texts})
    return found

"""What the page says and shows: text for the template, numbers for the script."""

from __future__ import annotations

from collections.abc import Sequence
from functools import partial
from typing import Any

from pentanet import __version__
from pentanet.report.facts import facts, moment
from pentanet.report.formats import duration, percent, signed, size, tidy
from pentanet.report.metrics import Series, average, finite, thin
from pentanet.report.palette import Style, styles
from pentanet.report.records import Arm, Bench
from pentanet.report.runs import Run
from pentanet.report.theory import gaussian_occupancy
from pentanet.report.verdicts import by_control, caveat, evidence, headline, interval, mean_sd, sentence

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
    style = styles(arm.name for arm in bench.arms)
    top = headline(bench)
    view: dict[str, Any] = {
        "suite": bench.suite,
        "created": moment(bench.facts.get("created")),
        "version": __version__,
        "verdict": sentence(top) if top else "No two methods were compared.",
        "evidence": evidence(top) if top else "",
        "endings": by_control(bench),
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
        "learned": [arm.name for arm in bench.arms if arm.occupancy() and not gaussian_occupancy(arm.name)],
    }
    return view, _data(bench, runs, style)


def _data(bench: Bench, runs: Sequence[Run], style: dict[str, Style]) -> dict[str, Any]:
    return {
        "unit": "steps" if any(run.in_steps for run in runs) else "tokens",
        "seeds": bench.seeds,
        "controls": bench.controls,
        "methods": [_method(arm, style[arm.name]) for arm in bench.arms],
        "runs": _curves(runs),
        "differences": [
            {
                "method": d.method,
                "control": d.control,
                "d": d.difference,
                "low": d.low,
                "high": d.high,
                "n": d.n,
                "verdict": d.verdict + ("*" if caveat(d) else ""),
            }
            for d in bench.losses
            if d.difference is not None
        ],
    }


def _method(arm: Arm, style: Style) -> dict[str, Any]:
    measured, expected = arm.occupancy(), gaussian_occupancy(arm.name)
    if measured and measured.keys() <= expected.keys():
        measured = {level: measured.get(level, 0.0) for level in expected}
    return {
        "name": arm.name,
        "colour": style.colour,
        "dash": style.dash,
        "marker": style.marker,
        "levels": list(measured),
        "measured": [tidy(share) for share in measured.values()],
        "expected": [tidy(expected[level]) for level in measured] if expected.keys() == measured.keys() else [],
        "kurtosis": arm.mean.get("kurtosis"),
        "moved": arm.mean.get("moved"),
        "loss": arm.mean.get("val_loss"),
        "sd": arm.sd.get("val_loss"),
        "fileBits": arm.mean.get("file_bits_per_weight"),
        "gridBits": arm.mean.get("quantized_bits_per_weight"),
    }


def _curves(runs: Sequence[Run]) -> list[dict[str, Any]]:
    def longest(name: str) -> int:
        return max((len(getattr(run.curves, name)) for run in runs), default=0)

    lengths = {name: longest(name) for name in ("train", "valid", "flips")}

    def column(run: Run, name: str, series: Series) -> dict[str, list[float]]:
        x, y = (average if name == "train" else thin)(series, lengths[name])
        return {"x": [round(step * run.tokens_per_step) for step in x], "y": y}

    return [
        {
            "method": run.method,
            "seed": run.seed,
            **{
                name: column(run, name, series)
                for name, series in (
                    ("valid", run.curves.valid),
                    ("train", run.curves.train),
                    ("flips", run.curves.flips),
                )
            },
        }
        for run in runs
    ]


def _columns(bench: Bench) -> list[tuple[str, str]]:
    heads = [(heading, note) for _, heading, note, _ in COLUMNS]
    differences = [(f"\u2212 {control}", "nats, with 95 % interval") for control in bench.controls]
    return [*heads[:2], *differences, *heads[2:]]


def _row(bench: Bench, arm: Arm, style: Style) -> dict[str, Any]:
    cells = [_measure(arm, key, form) for key, _, _, form in COLUMNS]
    differences = [_difference(bench, arm, control) for control in bench.controls]
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
    d = next((d for d in bench.losses if (d.method, d.control) == (arm.name, control)), None)
    if d is None:
        return {"text": "", "sub": "", "sort": 0.0 if arm.name == control else None}
    return {"text": signed(d.difference, 3), "sub": interval(d), "sort": d.difference}


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

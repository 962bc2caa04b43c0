"""From the rows of all runs to the summary that is printed, saved and reported."""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from datetime import UTC, datetime
from typing import Any

from pentanet import __version__
from pentanet.bench.arm import Job
from pentanet.bench.statistics import Comparison, compare, contrast, mean, sample_sd, with_holm
from pentanet.bench.suites import Suite
from pentanet.config import to_tree
from pentanet.data.dataset import Dataset
from pentanet.machine import machine
from pentanet.quant import method

METRICS = (
    "val_loss",
    "perplexity",
    "bits_per_byte",
    "file_bits_per_weight",
    "quantized_bits_per_weight",
    "bytes",
    "coded_bytes",
    "entropy_bits",
    "zero_fraction",
    "flip_rate",
    "moved",
    "kurtosis",
    "seconds",
    "packed_val_loss",
    "packed_gap",
)


def summarize(
    suite: Suite, jobs: Sequence[Job], rows: Mapping[str, Mapping[str, Any]], dataset: Dataset
) -> dict[str, Any]:
    """Means, deviations and paired comparisons of finished jobs.

    Args:
        rows: by job name, as `run_job` returns them; one with an error
            stays in the list of its method, and out of the numbers.
    """
    config = jobs[0].config
    names = list(dict.fromkeys(job.arm for job in jobs))
    seeds = {name: {str(j.config.seed): j for j in jobs if j.arm == name} for name in names}
    losses = {
        name: {seed: rows[j.name]["val_loss"] for seed, j in found.items() if "error" not in rows[j.name]}
        for name, found in seeds.items()
    }
    parameters = next(row["parameters"] for row in rows.values() if "error" not in row)
    return {
        "suite": suite.name,
        "title": suite.title,
        "version": __version__,
        "created": datetime.now(UTC).isoformat(timespec="seconds"),
        "machine": {**machine().to_dict(), "threads": jobs[0].threads},
        "data": {
            "name": dataset.name,
            "fingerprint": dataset.fingerprint,
            "vocab": dataset.vocab,
            "tokens": dataset.tokens("train"),
            "valid_tokens": dataset.tokens("valid"),
        },
        "model": {**to_tree(config.model), "parameters": parameters},
        "config": to_tree(config),
        "steps": config.steps,
        "tokens": config.tokens,
        "methods": {name: _arm(name, {s: rows[j.name] for s, j in seeds[name].items()}, seeds[name]) for name in names},
        "comparisons": [c.to_dict() for c in comparisons(names, suite, losses)],
        "contrasts": [
            contrast(c.name, c.title, c.weights, losses).to_dict() for c in suite.contrasts if {*c.weights} <= {*names}
        ],
    }


def comparisons(names: Sequence[str], suite: Suite, losses: Mapping[str, Mapping[str, float]]) -> list[Comparison]:
    """Each arm against each control of the suite, each pair once, and the further pairs of the suite.

    On validation loss, with Holm's correction over all of them.
    """
    present = [control for control in suite.controls if control in names]
    pairs = [
        (name, control)
        for place, control in enumerate(present)
        for name in names
        if name != control and name not in present[:place]
    ]
    pairs += [(arm, control) for arm, control in suite.pairs if arm in names and control in names]
    return with_holm([compare(name, control, "val_loss", losses[name], losses[control]) for name, control in pairs])


def _arm(name: str, rows: Mapping[str, Mapping[str, Any]], jobs: Mapping[str, Job]) -> dict[str, Any]:
    values = {key: [row[key] for row in rows.values() if row.get(key) is not None] for key in METRICS}
    config = next(iter(jobs.values())).config
    used = method(config.weights.method)
    grid = used.grid
    sizes = [row["parameters"] for row in rows.values() if "error" not in row]
    return {
        "title": used.title,
        "method": used.name,
        "model": {**to_tree(config.model), "parameters": sizes[0] if sizes else None},
        "steps": config.steps,
        "tokens": config.tokens,
        "levels": list(grid.levels) if grid else None,
        "mean": {key: mean(found) for key, found in values.items() if found},
        "sd": {key: sd for key, found in values.items() if (sd := sample_sd(found)) is not None and math.isfinite(sd)},
        "seeds": {seed: {**row, "run": f"runs/{jobs[seed].name}"} for seed, row in rows.items()},
    }

"""A bench that nobody ran, with the shape of one that somebody did: losses fall as a power of the tokens, methods of
one seed share its luck, and every derived number (means, intervals, occupancy) is computed as the bench computes it.
"""

import json
import math
from collections.abc import Callable
from dataclasses import asdict
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from pentanet.bench.statistics import compare, mean, sample_sd, with_holm
from pentanet.grid import GRIDS
from pentanet.report.theory import gaussian_occupancy

# name: title, grid, final loss above the common floor, bits per weight of file and grid
ARMS = {
    "full-precision": ("full precision (bfloat16)", None, 0.000, 16.00, 16.0),
    "bitnet-seed": ("ternary, tensor absmean (the publication's BitNet)", "ternary", 0.145, 4.62, 1.62),
    "pentanet-seed": ("pentanary, tensor absmean (as published)", "pentanary", 0.062, 5.12, 2.35),
    "ternary": ("ternary, row scale at the optimum", "ternary", 0.071, 4.66, 1.66),
    "pentanary": ("pentanary, row scale at the optimum", "pentanary", 0.049, 5.16, 2.39),
    "lsq-pentanary": ("pentanary, learned row step", "pentanary", 0.045, 5.16, 2.39),
}
DEFAULT = tuple(name for name in ARMS if name != "lsq-pentanary")
PARAMETERS = 1_839_616
BLOCKS = 4
SAMPLE = (
    "And it came to pass in the third year of the king, that the men of the city went up to the mountain, and said "
    "to him, Behold, thy servants are come out of the land of the south; for the word of the king was upon them."
)
Maker = Callable[..., dict[str, Any]]


def _losses(steps: np.ndarray, floor: float, luck: np.random.Generator) -> np.ndarray:
    return floor + 3.9 * (1 + steps / 9) ** -0.62 + luck.normal(0, 0.003, len(steps))


def _write_run(folder: Path, floor: float, steps: int, every: int, grid: str | None, seed: int) -> list[dict[str, Any]]:
    folder.mkdir(parents=True)
    luck = np.random.default_rng(seed)
    at = np.arange(1, steps + 1)
    train = _losses(at, floor - 0.05, luck) + luck.normal(0, 0.08, steps)
    rows: list[dict[str, Any]] = []
    evaluations: list[dict[str, Any]] = []
    for step in range(0, steps + 1, 5):
        if step:
            rows.append({"step": step, "train_loss": float(train[step - 1]), "lr": 3e-3, "grad_norm": 0.9})
        if step % every == 0 or step == steps:
            loss = float(_losses(np.array([step]), floor, luck)[0])
            share = 0.06 * (1 + 0.1 * len(folder.parent.name) / 13) * math.exp(-4 * step / steps) + 0.001
            flip = None if grid is None else share
            evaluations.append({"step": step, "val_loss": loss, "flip_rate": flip, "moved": flip, "kurtosis": 0.1})
            evaluations[-1] |= _inside(step / steps, flip if step else None, grid)
            rows.append(evaluations[-1])
    (folder / "metrics.jsonl").write_text("".join(json.dumps(row) + "\n" for row in rows))
    (folder / "record.json").write_text(json.dumps({"commit": "0123456789abcdef0123", "seed": seed}))
    (folder / "config.toml").write_text("[train]\nsteps = 400\nlearning_rate = 0.003\n")
    return evaluations


def _inside(progress: float, flip: float | None, grid: str | None) -> dict[str, Any]:
    """What training measures in each block; the deepest flips most, and the residual doubles over four blocks."""
    per_block = [1 + 0.2 * block for block in range(BLOCKS)]
    on_grid = {
        "flip_rate": [None if flip is None else flip * factor for factor in per_block],
        "dead": [0.2 * progress * factor for factor in per_block],
        "saturation": [0.01] * BLOCKS,
        "variance_ratio": [0.8 + 0.05 * progress] * BLOCKS,
    }
    columns = {key: values if grid else [None] * BLOCKS for key, values in on_grid.items()}
    columns["kurtosis"] = [0.1 * progress * factor for factor in per_block]
    ranks = {f"blocks.{block}.attention.q": 40 - 10 * progress for block in (0, BLOCKS - 1)} if progress else {}
    return {
        "layers": {"name": [str(block) for block in range(BLOCKS)], **columns},
        "gradient_rank": ranks,
        "residual": [0.5 * 2 ** (progress * block / BLOCKS) for block in range(BLOCKS + 1)],
    }


def _occupancy(name: str, grid: str | None, seed: int) -> dict[str, float]:
    if grid is None:
        return {}
    luck = np.random.default_rng(seed)
    expected = gaussian_occupancy(name) or gaussian_occupancy(grid)
    shares = np.array(list(expected.values())) * luck.normal(1, 0.04, GRIDS[grid].size)
    return {str(level): float(s) for level, s in zip(GRIDS[grid].levels, shares / shares.sum(), strict=True)}


def _result(name: str, seed: int, evaluations: list[dict[str, Any]], run: str) -> dict[str, Any]:
    _, grid, _, file_bits, grid_bits = ARMS[name]
    occupancy, loss = _occupancy(name, grid, seed), evaluations[-1]["val_loss"]
    return {
        "val_loss": loss,
        "perplexity": math.exp(loss),
        "bits_per_byte": loss / 2.9,
        "file_bits_per_weight": file_bits,
        "quantized_bits_per_weight": grid_bits,
        "bytes": round(file_bits * PARAMETERS / 8),
        "zero_fraction": occupancy.get("0"),
        "occupancy": occupancy,
        "flip_rate": evaluations[-1]["flip_rate"],
        "moved": None if grid is None else 0.4,
        "kurtosis": 0.13,
        "seconds": 61.5 + seed,
        "packed_val_loss": loss,
        "sample": f"{SAMPLE} ({name}, seed {seed})",
        "run": run,
    }


def make(
    out: Path, *, methods: tuple[str, ...] = DEFAULT, seeds: int = 3, steps: int = 400, every: int = 20
) -> dict[str, Any]:
    """Write a bench into `out` and return its summary."""
    summary: dict[str, Any] = {
        "suite": "nano",
        "version": "0.1.0",
        "created": "2026-01-02T03:04:05Z",
        "machine": {"cpu": "Example 9000", "isa": "avx512", "cores": 2, "torch": "2.10.0+cpu", "os": "Linux 6.1"},
        "data": {
            "name": "bible",
            "tokens": 1_133_902,
            "vocab": 4096,
            "fingerprint": "9f86d081884c7d659a2feaa0c55ad015",
        },
        "model": {"parameters": PARAMETERS, "quantized_parameters": 790_528, "layers": 4, "width": 128},
        "steps": steps,
        "tokens": steps * 2048,
        "methods": {},
    }
    for name in methods:
        title, grid, above, *_ = ARMS[name]
        results: dict[str, dict[str, Any]] = {}
        for seed in range(seeds):
            luck = np.random.default_rng(100 + seed).normal(0, 0.012)
            own = np.random.default_rng([seed, *name.encode()]).normal(0, 0.008)
            run = f"runs/{name}/seed-{seed}"
            evaluations = _write_run(out / run, 4.05 + above + luck + own, steps, every, grid, seed)
            results[str(seed)] = _result(name, seed, evaluations, run)
        keys = [k for k, v in results["0"].items() if isinstance(v, int | float)]
        columns = {k: [r[k] for r in results.values()] for k in keys}
        summary["methods"][name] = {
            "title": title,
            "levels": list(GRIDS[grid].levels) if grid else None,
            "mean": {k: mean(v) for k, v in columns.items()},
            "sd": {k: sample_sd(v) for k, v in columns.items()},
            "seeds": results,
        }
    summary["comparisons"] = comparisons(summary)
    (out / "summary.json").write_text(json.dumps(summary, indent=1))
    return summary


def make_depth(out: Path, *, methods: tuple[str, ...] = ("ternary", "pentanary"), seeds: int = 3) -> dict[str, Any]:
    """Write a suite over depths, each arm `METHOD-LAYERS` with its place in the summary."""
    depths = (4, 12, 24)
    summary = make(out, methods=methods, seeds=seeds, steps=40, every=10)
    made: dict[str, Any] = {}
    for layers in depths:
        for name, arm in summary["methods"].items():
            shifted = json.loads(json.dumps(arm)) | {"method": name}
            # Five levels lead at four layers and fall behind at twenty-four.
            shift = 0.01 * layers * (1 + 0.3 * (name == "pentanary"))
            for result in shifted["seeds"].values():
                result["val_loss"] += shift
            shifted["mean"]["val_loss"] += shift
            made[f"{name}-{layers}"] = shifted
    loss = {n: {s: r["val_loss"] for s, r in m["seeds"].items()} for n, m in made.items()}
    pairs = [(f"{m}-{d}", f"ternary-{d}") for d in depths for m in methods if m != "ternary"]
    found = with_holm([compare(m, c, "val_loss", loss[m], loss[c]) for m, c in pairs])
    summary |= {"suite": "depth", "methods": made, "comparisons": [asdict(c) for c in found]}
    (out / "summary.json").write_text(json.dumps(summary, indent=1))
    return summary


def comparisons(summary: dict[str, Any]) -> list[dict[str, Any]]:
    """Every method against full precision, and every pentanary one against the ternary ones."""
    loss = {n: {s: r["val_loss"] for s, r in m["seeds"].items()} for n, m in summary["methods"].items()}
    pairs = [(m, c) for c in ("full-precision", "ternary", "bitnet-seed") for m in loss if c in loss and m != c]
    pairs = [(m, c) for m, c in pairs if c == "full-precision" or m.startswith("penta")]
    return [asdict(c) for c in with_holm([compare(m, c, "val_loss", loss[m], loss[c]) for m, c in pairs])]


@pytest.fixture
def make_bench() -> Maker:
    """The function that writes a bench."""
    return make


@pytest.fixture(scope="session")
def bench(tmp_path_factory: pytest.TempPathFactory) -> tuple[Path, dict[str, Any]]:
    """The five default arms with three seeds; not to be written to."""
    out = tmp_path_factory.mktemp("bench")
    return out, make(out)


@pytest.fixture(scope="session")
def depth_bench(tmp_path_factory: pytest.TempPathFactory) -> tuple[Path, dict[str, Any]]:
    """Two methods at three depths with three seeds; not to be written to."""
    out = tmp_path_factory.mktemp("depth")
    return out, make_depth(out)

"""From rows to the summary, on rows that nobody ran."""

from __future__ import annotations

import dataclasses
import json
import math
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from pentanet.bench.arm import Job
from pentanet.bench.plans import Contrast
from pentanet.bench.suites import suite
from pentanet.bench.summary import comparisons, summarize
from pentanet.data.dataset import Dataset
from pentanet.training.config import TrainConfig

LOSSES = {"full-precision": [4.0, 4.1, 4.2], "ternary": [4.3, 4.35, 4.5], "pentanary": [4.1, 4.22, 4.3]}


def job(config: TrainConfig, method: str, seed: int) -> Job:
    weights = dataclasses.replace(config.weights, method=method)
    chosen = dataclasses.replace(config, weights=weights, seed=seed)
    return Job(arm=method, config=chosen, dataset=Path("data"), folder=Path("out"), threads=2)


def row(loss: float, **more: Any) -> dict[str, Any]:
    levels = {"zero_fraction": 0.3, "flip_rate": 0.01, "occupancy": {"0": 0.3}}
    sizes = {"bytes": 1000, "file_bits_per_weight": 4.0, "quantized_bits_per_weight": None, "parameters": 2000}
    losses = {"val_loss": loss, "perplexity": math.exp(loss), "packed_val_loss": loss, "packed_gap": 0.0}
    return {**losses, **levels, **sizes, "seconds": 10.0 * loss, "sample": "text", **more}


@pytest.fixture
def parts(configure: Callable[..., TrainConfig]) -> tuple[list[Job], dict[str, dict[str, Any]]]:
    jobs = [job(configure(), method, seed) for seed in range(3) for method in LOSSES]
    return jobs, {j.name: row(LOSSES[j.config.weights.method][j.config.seed]) for j in jobs}


def test_means_deviations_and_seeds(parts: tuple[list[Job], dict[str, Any]], tiny: Dataset) -> None:
    jobs, rows = parts
    found = json.loads(json.dumps(summarize(suite("nano"), jobs, rows, tiny), allow_nan=False))
    assert list(found["methods"]) == list(LOSSES)
    arm = found["methods"]["pentanary"]
    assert arm["mean"]["val_loss"] == pytest.approx((4.1 + 4.22 + 4.3) / 3)
    assert arm["sd"]["val_loss"] == pytest.approx(math.sqrt((0.1066667**2 + 0.0133333**2 + 0.0933333**2) / 2), rel=1e-4)
    assert arm["mean"]["bytes"] == 1000
    assert arm["sd"]["bytes"] == 0
    assert "quantized_bits_per_weight" not in arm["mean"]
    assert arm["levels"] == [-2, -1, 0, 1, 2]
    assert (arm["method"], arm["steps"], arm["tokens"]) == ("pentanary", 3, 3 * 2 * 16)
    assert arm["model"] == found["model"]
    assert found["methods"]["full-precision"]["levels"] is None
    assert arm["seeds"]["1"] == {**rows["pentanary/seed-1"], "run": "runs/pentanary/seed-1"}
    assert found["data"] == {
        "name": tiny.name,
        "fingerprint": tiny.fingerprint,
        "vocab": tiny.vocab,
        "tokens": tiny.tokens("train"),
        "valid_tokens": tiny.tokens("valid"),
    }
    assert (found["suite"], found["steps"], found["tokens"]) == ("nano", 3, 3 * 2 * 16)
    assert found["model"]["parameters"] == 2000
    assert found["machine"]["threads"] == 2


def test_differences_are_paired_by_seed(parts: tuple[list[Job], dict[str, Any]], tiny: Dataset) -> None:
    jobs, rows = parts
    found = summarize(suite("nano"), jobs, rows, tiny)["comparisons"]
    pairs = {(c["method"], c["control"]): c for c in found}
    assert set(pairs) == {("ternary", "full-precision"), ("pentanary", "full-precision"), ("pentanary", "ternary")}
    against = pairs["pentanary", "ternary"]
    assert against["metric"] == "val_loss"
    assert against["n"] == 3
    assert against["difference"] == pytest.approx(-(0.2 + 0.13 + 0.2) / 3)
    half = 4.302653 * math.sqrt((0.0233333**2 * 2 + 0.0466667**2) / 2 / 3)  # t of 2 degrees of freedom at 97.5 %
    assert (against["low"], against["high"]) == pytest.approx(
        (against["difference"] - half, against["difference"] + half), rel=1e-4
    )
    assert against["verdict"] == "better"
    assert all(c["p_holm"] >= c["p"] for c in found)


def test_a_failed_run_is_named_and_left_out_of_the_numbers(
    parts: tuple[list[Job], dict[str, Any]], tiny: Dataset
) -> None:
    jobs, rows = parts
    rows["ternary/seed-1"] = {"error": "step 7: the loss is nan"}
    found = json.loads(json.dumps(summarize(suite("nano"), jobs, rows, tiny), allow_nan=False))
    arm = found["methods"]["ternary"]
    assert arm["seeds"]["1"]["error"] == "step 7: the loss is nan"
    assert arm["mean"]["val_loss"] == pytest.approx((4.3 + 4.5) / 2)
    pairs = {(c["method"], c["control"]): c["n"] for c in found["comparisons"]}
    assert pairs == {
        ("ternary", "full-precision"): 2,
        ("pentanary", "full-precision"): 3,
        ("pentanary", "ternary"): 2,
    }


def test_a_method_that_always_failed_has_no_numbers(parts: tuple[list[Job], dict[str, Any]], tiny: Dataset) -> None:
    jobs, rows = parts
    for seed in range(3):
        rows[f"full-precision/seed-{seed}"] = {"error": "diverged"}
    found = json.loads(json.dumps(summarize(suite("nano"), jobs, rows, tiny), allow_nan=False))
    assert found["methods"]["full-precision"]["mean"] == {}
    assert [c["verdict"] for c in found["comparisons"] if c["control"] == "full-precision"] == ["no common seed"] * 2
    assert found["model"]["parameters"] == 2000


def test_one_seed_has_no_deviation(configure: Callable[..., TrainConfig], tiny: Dataset) -> None:
    jobs = [job(configure(), method, 5) for method in LOSSES]
    rows = {j.name: row(LOSSES[j.config.weights.method][0]) for j in jobs}
    found = json.loads(json.dumps(summarize(suite("nano"), jobs, rows, tiny), allow_nan=False))
    assert found["methods"]["ternary"]["sd"] == {}
    assert {c["verdict"] for c in found["comparisons"]} == {"one seed: no interval"}
    assert list(found["methods"]["ternary"]["seeds"]) == ["5"]


def test_each_pair_of_controls_is_compared_once() -> None:
    losses = {name: {"0": 1.0, "1": 1.1} for name in ("a", "b", "c")}
    arms = dataclasses.replace(suite("nano"), controls=("a", "b", "absent"))
    found = [(c.method, c.control) for c in comparisons(("a", "b", "c"), arms, losses)]
    assert found == [("b", "a"), ("c", "a"), ("c", "b")]
    assert comparisons(("c",), arms, losses) == []
    paired = dataclasses.replace(arms, controls=(), pairs=(("c", "b"), ("c", "absent")))
    assert [(c.method, c.control) for c in comparisons(("a", "b", "c"), paired, losses)] == [("c", "b")]


def test_contrasts_of_arms_that_ran(parts: tuple[list[Job], dict[str, Any]], tiny: Dataset) -> None:
    jobs, rows = parts
    weights = {"pentanary": 1.0, "ternary": -0.5, "full-precision": -0.5}
    half = Contrast(name="half", title="closes half", weights=weights)
    absent = Contrast(name="absent", title="", weights={"pentanary": 1, "sherry": -1})
    arms = dataclasses.replace(suite("nano"), contrasts=(half, absent))
    (found,) = summarize(arms, jobs, rows, tiny)["contrasts"]
    assert (found["name"], found["title"], found["weights"], found["n"]) == ("half", "closes half", weights, 3)
    assert found["estimate"] == pytest.approx((-0.05 - 0.005 - 0.05) / 3)
    assert found["low"] < found["estimate"] < 0 < found["high"]
    assert found["verdict"] == "not distinguishable"

"""Grids by matrix: the budget holds, nothing better fits, and what is chosen is what is measured to matter."""

from __future__ import annotations

import itertools

import numpy as np
import pytest
import torch

from pentanet.errors import ConfigError
from pentanet.format.model_dir import open_model
from pentanet.grid import grid
from pentanet.ptq import run
from pentanet.ptq.budget import CANDIDATES, allocate, stored_bits
from pentanet.ptq.calibrate import windows_of
from pentanet.ptq.config import QuantizeConfig
from pentanet.ptq.mixed_text import CalibrationText
from pentanet.ptq.rtn import round_to_nearest
from pentanet.quant.granularity import group
from pentanet.runtime.load import load
from pentanet.sources.open import open_source

IDS = torch.randint(0, 270, (400,), generator=torch.Generator().manual_seed(0)).tolist()


def total(values, chosen):
    return sum(values[name][choice] for name, choice in chosen.items())


def test_no_choice_that_fits_is_much_better():
    random = np.random.RandomState(0)
    for _ in range(20):
        names = [str(i) for i in range(5)]
        bits = {n: sorted(random.randint(10, 100, 3).tolist()) for n in names}
        bits = {n: [b[0], b[1] + 1, b[2] + 2] for n, b in bits.items()}
        errors = {n: sorted(random.rand(3).tolist(), reverse=True) for n in names}
        low, high = sum(b[0] for b in bits.values()), sum(b[-1] for b in bits.values())
        budget = low + random.rand() * (high - low)
        chosen = allocate(errors, bits, budget)
        assert total(bits, chosen) <= budget
        every = (dict(zip(names, c, strict=True)) for c in itertools.product(range(3), repeat=5))
        best = min(total(errors, c) for c in every if total(bits, c) <= budget)
        assert total(errors, chosen) <= best + 0.35  # a gap of one step of one matrix, at most
        assert allocate(errors, bits, high) == dict.fromkeys(names, 2)  # all errors fall
        assert allocate(errors, bits, low) == dict.fromkeys(names, 0)


def test_bits_go_where_they_save_most():
    bits = {"a": [10, 20], "b": [10, 20], "c": [10, 20]}
    errors = {"a": [0.1, 0.09], "b": [0.5, 0.1], "c": [0.2, 0.1]}
    assert allocate(errors, bits, 49) == {"a": 0, "b": 1, "c": 0}
    assert allocate(errors, bits, 50) == {"a": 0, "b": 1, "c": 1}


@pytest.mark.parametrize("name", CANDIDATES)
def test_bits_are_those_of_the_file(make, tmp_path, name):
    source = open_source(make())
    made = run.quantize(source, tmp_path / "out", QuantizeConfig(grid=name, group=16))
    expected = [stored_bits(source.shapes[layer["name"]], name, group(16), bias=False) for layer in made.layers]
    weights = [source.tensor(layer["name"]).numel() for layer in made.layers]
    assert [layer["bits"] * w for layer, w in zip(made.layers, weights, strict=True)] == pytest.approx(expected)
    assert sum(expected) == pytest.approx(made.quantized_bits_per_weight * made.quantized_parameters)


@pytest.mark.parametrize("method", ["rtn", "gptq"])
def test_a_budget_mixes_grids_and_holds(make, tmp_path, method):
    source, calibration = open_source(make()), CalibrationText(windows=windows_of(IDS, 40, 4, "text"), name="drawn")
    settings = QuantizeConfig(method=method, group=16, bits_budget=4.5)
    made = run.quantize(source, tmp_path / "out", settings, calibration=calibration)
    grids = {layer["name"]: layer["grid"] for layer in made.layers}
    assert 4.0 < made.quantized_bits_per_weight <= 4.5
    assert len(set(grids.values())) > 1 and set(grids.values()) <= set(CANDIDATES)
    assert sum(made.grids.values()) == len(grids)
    packed = open_model(tmp_path / "out")
    assert {name: packed.spec(name).grid.name for name in grids} == grids
    assert load(tmp_path / "out").network(torch.tensor([IDS[:9]])).isfinite().all()
    if method == "rtn":
        for name, chosen in grids.items():
            codes = round_to_nearest(source.tensor(name), grid(chosen), settings.granularity)
            assert np.array_equal(packed.codes(name).levels, codes.levels)


def test_a_stopped_run_keeps_what_it_measured(make, tmp_path, monkeypatch):
    source, config = open_source(make()), QuantizeConfig(group=16, bits_budget=4.5)
    run.quantize(source, tmp_path / "whole", config)

    def stop(stage, done, total):
        if (stage, done) == ("measure", 4):
            raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        run.quantize(source, tmp_path / "out", config, progress=stop)
    assert len(list((tmp_path / "out.unfinished").glob("*.measured.json"))) == 4
    run.quantize(source, tmp_path / "out", config)
    assert (tmp_path / "out/model.safetensors").read_bytes() == (tmp_path / "whole/model.safetensors").read_bytes()


@pytest.mark.parametrize("settings", [{"bits_budget": -1.0}, {"bits_budget": 2.0, "method": "ptqtp"}])
def test_budgets_that_there_are_not(settings):
    with pytest.raises(ConfigError, match="bits_budget"):
        QuantizeConfig(**settings)


def test_a_budget_below_the_smallest_grid(make, tmp_path):
    with pytest.raises(ConfigError, match=r"a budget of 2 bits: ternary .* takes"):
        run.quantize(open_source(make()), tmp_path / "out", QuantizeConfig(group=8, bits_budget=2.0))

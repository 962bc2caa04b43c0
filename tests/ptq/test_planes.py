"""Trit planes: their error on Gaussian weights, and what the file and torch make of them."""

from __future__ import annotations

import numpy as np
import pytest
import torch
from edits import edit_config, round_inputs

from pentanet.codes import Codes
from pentanet.errors import ConfigError, ExportError, ModelConfigError
from pentanet.format.model_dir import open_model
from pentanet.gguf.architecture import architecture
from pentanet.grid import TERNARY
from pentanet.kernels import native
from pentanet.ptq import run
from pentanet.ptq.config import QuantizeConfig
from pentanet.ptq.planes import _combinations, trit_planes
from pentanet.quant.granularity import group
from pentanet.runtime.engine import Engine
from pentanet.runtime.inspect import inspect
from pentanet.runtime.load import load
from pentanet.runtime.open import open_config
from pentanet.sources.open import open_source

NAME = "model.layers.0.mlp.up_proj.weight"


def relative(weight, codes):
    return float((weight - torch.from_numpy(codes.dequantize())).norm() / weight.norm())


def gaussian(rows, cols, seed=0):
    return torch.randn(rows, cols, generator=torch.Generator().manual_seed(seed))


@pytest.mark.parametrize(("size", "expected"), [(64, 0.1575), (128, 0.1633), (256, 0.166)])
def test_error_on_gaussian_weights(size, expected):
    weight = gaussian(256, 1024)
    assert relative(weight, trit_planes(weight, group(size))) == pytest.approx(expected, abs=0.002)


def test_the_scales_are_about_three_to_two():
    codes = trit_planes(gaussian(256, 1024), group(128))
    ratio = codes.scales[:, :8] / codes.scales[:, 8:]
    assert np.median(ratio) == pytest.approx(1.5, abs=0.05)


def test_three_planes():
    weight = gaussian(64, 512)
    assert 0.05 < relative(weight, trit_planes(weight, group(128), 3)) < 0.06


def test_the_size_of_the_weights_does_not_matter():
    weight = gaussian(16, 256)
    small = trit_planes(weight * 2.0**-8, group(128))
    assert np.array_equal(small.levels, trit_planes(weight, group(128)).levels)


def test_each_element_takes_the_nearest_sum():
    weight = gaussian(4, 64)
    codes = trit_planes(weight, group(32))
    scales = codes.scales.reshape(4, 2, 2)  # rows, planes, groups
    sums = [a * scales[:, 0] + b * scales[:, 1] for a in (-1, 0, 1) for b in (-1, 0, 1)]
    distance = np.abs(np.stack(sums, -1)[:, :, None] - weight.numpy().reshape(4, 2, 32, 1)).min(-1)
    np.testing.assert_allclose(np.abs(codes.dequantize() - weight.numpy()).reshape(4, 2, 32), distance, atol=1e-6)


@pytest.mark.parametrize("value", [0.0, 1e-12, 3.0])
def test_groups_that_are_all_alike(value):
    codes = trit_planes(torch.full((2, 32), value), group(16))
    assert (codes.scales > 0).all()
    np.testing.assert_allclose(codes.dequantize(), value, rtol=1e-3, atol=1e-7)


def test_combinations_come_with_zeros_first():
    assert _combinations(2) == [(0, 0), (1, 0), (0, 1), (1, 1), (1, -1)]
    assert len(_combinations(3)) == 14


@pytest.mark.parametrize("planes", [2, 3])
def test_file_and_torch_add_the_planes_alike(make, tmp_path, planes):
    made = run.quantize(open_source(make()), tmp_path / "out", QuantizeConfig(method="ptqtp", group=16, planes=planes))
    packed, runtime = open_model(tmp_path / "out"), load(tmp_path / "out")
    codes = packed.codes(NAME)
    assert codes.planes == planes
    assert codes.shape == packed.shape(NAME) == (48, 32)
    first, *others = np.split(codes.levels.reshape(48, planes * 2, 16) * codes.scales[:, :, None], planes, axis=1)
    expected = first.astype(np.float32)
    for other in others:
        expected = expected + other
    assert np.array_equal(codes.dequantize(), expected.reshape(48, 32))
    assert np.array_equal(packed.rows(NAME, 5, 9), codes.dequantize()[5:9])
    held = dict(runtime.network.named_modules())[NAME.removesuffix(".weight")].matrix
    assert np.array_equal(held.all().numpy(), codes.dequantize())
    assert made.weight_error < {2: 0.18, 3: 0.08}[planes]
    row = next(row for row in inspect(tmp_path / "out").rows if row.name == NAME)
    assert row.parameters == 48 * 32
    assert row.entropy <= planes * np.log2(3)


@pytest.mark.skipif(not native.available(), reason="the engine was not compiled")
@pytest.mark.parametrize("planes", [2, 3])
def test_the_engine_adds_planes(make, tmp_path, planes):
    run.quantize(open_source(make()), tmp_path / "out", QuantizeConfig(method="ptqtp", group=16, planes=planes))
    round_inputs(tmp_path / "out")
    ids = list(range(30))
    with torch.no_grad():
        expected = load(tmp_path / "out").network(torch.tensor([ids]))[0]
    found = torch.from_numpy(Engine.open(tmp_path / "out", threads=2).logits(ids))
    torch.testing.assert_close(found, expected, atol=2e-3, rtol=2e-3)


def test_gguf_export_says_that_it_does_not_add_planes(make, tmp_path):
    run.quantize(open_source(make()), tmp_path / "out", QuantizeConfig(method="ptqtp", group=16))
    packed, config, _ = open_config(tmp_path / "out")
    with pytest.raises(ExportError, match="2 planes"):
        architecture(packed, config)


def test_tied_planes_are_nine_even_levels(make, tmp_path):
    run.quantize(open_source(make()), tmp_path / "out", QuantizeConfig(method="ptqtp", group=16, tied=True))
    assert open_model(tmp_path / "out").spec(NAME).grid.name == "nonary"


@pytest.mark.parametrize("settings", [{"planes": 1}, {"planes": 4}, {"planes": 3, "tied": True}])
def test_planes_that_there_are_not(settings):
    with pytest.raises(ConfigError, match="planes"):
        QuantizeConfig(method="ptqtp", **settings)


@pytest.mark.parametrize(
    ("changes", "message"),
    [
        ({"planes": 1}, "planes"),
        ({"planes": True}, "planes"),
        ({"planes": 4}, "planes"),
        ({"planes": 2, "grid": "pentanary", "storage": "nibble"}, "pentanary"),
        ({"planes": 3}, "scales"),
        ({"planes": 2, "scales": [48, 3]}, "scales"),
        ({"planes": 2, "scales": [1, 1]}, "scales"),
    ],
)
def test_a_file_that_lies_about_planes(make, tmp_path, changes, message):
    run.quantize(open_source(make()), tmp_path / "out", QuantizeConfig(method="ptqtp", group=16))
    edit_config(tmp_path / "out", lambda config: config["quantization_config"]["tensors"][NAME].update(changes))
    with pytest.raises(ModelConfigError, match=message):
        open_model(tmp_path / "out")


def test_codes_with_planes_round_trip_by_hand():
    levels = np.array([[1, -1, 0, 1]], np.int8)
    codes = Codes(levels, np.array([[2.0, 0.5]], np.float32), TERNARY, planes=2)
    assert codes.shape == (1, 2)
    assert codes.dequantize().tolist() == [[2.0, -1.5]]

"""What is said of the levels."""

from __future__ import annotations

import numpy as np
import pytest
import torch

from pentanet.families import LlamaConfig
from pentanet.families.build import build
from pentanet.families.network import Network
from pentanet.nn import Trainable, method_modules
from pentanet.train import watch


def network(method: str, storage: str = "int8") -> Network:
    config = LlamaConfig(layers=2, width=128, heads=2, kv_heads=2, hidden=256, tie=True)
    made = build(config, 300, Trainable(method, storage, storage))
    made.initialize(torch.Generator().manual_seed(0))
    return made


def test_occupancy_of_a_fresh_network_is_a_gaussians() -> None:
    shares = watch.occupancy(watch.levels(network("pentanet-seed")))
    assert shares is not None
    assert list(shares) == ["-2", "-1", "0", "1", "2"]
    assert sum(shares.values()) == pytest.approx(1)
    assert shares["0"] == pytest.approx(0.3101, abs=3e-3)
    assert shares["2"] == pytest.approx(0.1157, abs=3e-3)


def test_levels_are_those_of_every_matrix_under_the_method_once() -> None:
    model = network("ternary", "grid")
    found = watch.levels(model)
    assert sum(x.size for x in found.values()) == sum(m.weight.numel() for _, m in method_modules(model))
    assert "model.embed_tokens" in found
    assert "lm_head" not in found


def test_full_precision_has_no_levels() -> None:
    found = watch.levels(network("full-precision"))
    assert found == {}
    assert watch.occupancy(found) is None
    assert watch.changed(found, found) is None


def test_changed_by_hand() -> None:
    before = {"a": np.array([[1, 0], [0, -1]], np.int8), "b": np.array([[2, 2, 2, 2]], np.int8)}
    after = {"a": np.array([[1, 0], [1, -1]], np.int8), "b": np.array([[2, 2, 1, 2]], np.int8)}
    assert watch.changed(before, after) == 2 / 8
    assert watch.changed(before, before) == 0


def test_shape_of_the_latent_weights() -> None:
    model = network("pentanary")
    shape = watch.latent_shape(model)
    assert abs(shape.kurtosis) < 0.05
    with torch.no_grad():
        for _, module in method_modules(model):
            module.weight.uniform_(-3, 3, generator=torch.Generator().manual_seed(0))
    shape = watch.latent_shape(model)
    assert shape.kurtosis == pytest.approx(-1.2, abs=0.02)  # of a uniform distribution
    assert shape.rms == pytest.approx(3**0.5, rel=0.01)

"""Diagnostics against numbers by hand."""

from __future__ import annotations

import json
import math
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest
import torch

from pentanet.codes import Codes
from pentanet.data.dataset import Dataset
from pentanet.families import LlamaConfig
from pentanet.families.build import build
from pentanet.families.network import Network
from pentanet.grid import BINARY, PENTANARY, TERNARY, Grid
from pentanet.nn import Trainable, method_modules
from pentanet.training import diagnostics
from pentanet.training.checkpoint import load
from pentanet.training.config import TrainConfig
from pentanet.training.diagnostics import ZeroSpells
from pentanet.training.loop import Loop
from pentanet.training.signals import StopRequest


def network(method: str, storage: str = "int8") -> Network:
    config = LlamaConfig(layers=3, width=64, heads=2, kv_heads=2, hidden=96, context=16, tie=True)
    made = build(config, 300, Trainable(method, storage, storage))
    made.initialize(torch.Generator().manual_seed(0))
    return made


def codes(*levels: list[int]) -> Codes:
    return Codes(np.array(levels, np.int8), np.ones((1, 1), np.float32), PENTANARY)


def test_a_zero_spell_ends_with_another_level_and_is_counted_up_to_a_limit() -> None:
    spells = ZeroSpells()
    for seen in ([0, 0, 1], [0, 2, 1], [0, 0, 0], [0, 0, -1]):
        spells.see({"a": codes(seen)})
    assert spells.spells["a"].tolist() == [[diagnostics.DEAD_AFTER, 2, 0]]
    other = ZeroSpells()
    other.restore({**spells.tensors(), "something/else": torch.ones(1)})
    assert other.spells.keys() == {"a"}
    assert (other.spells["a"] == spells.spells["a"]).all()


@pytest.mark.parametrize(
    ("method", "grid", "scale"), [("pentanet-seed", PENTANARY, 0.7979), ("ternary", TERNARY, 1.2240)]
)
def test_layers_of_a_fresh_network_are_a_gaussians(method: str, grid: Grid, scale: float) -> None:
    model = network(method)
    found, spells = diagnostics.export(model), ZeroSpells()
    table = diagnostics.layers(model, found, {}, spells)
    assert table["name"] == ["0", "1", "2"]
    assert table["flip_rate"] == table["dead"] == [None] * 3
    fit = grid.gaussian(scale)
    edge = (grid.highest + 0.5) * scale
    for kurtosis, ratio, saturated in zip(table["kurtosis"], table["variance_ratio"], table["saturation"], strict=True):
        assert abs(kurtosis) < 0.1
        assert ratio == pytest.approx(fit.variance, abs=0.02)
        assert saturated == pytest.approx(math.erfc(edge / math.sqrt(2)), abs=0.005)


def test_columns_by_hand_and_modules_outside_of_the_blocks() -> None:
    model = network("pentanary", "grid")
    before, spells = diagnostics.export(model), ZeroSpells()
    for _ in range(diagnostics.DEAD_AFTER):
        spells.see(before)
    with torch.no_grad():
        for name, module in method_modules(model):
            if ".1." in name:
                module.weight.neg_()  # all levels but zero change, each to a level as frequent
    found = diagnostics.export(model)
    table = diagnostics.layers(model, found, before, spells)
    assert table["name"] == ["model.embed_tokens", "0", "1", "2"]
    zeros = np.mean(np.concatenate([c.levels.ravel() for n, c in found.items() if ".1." in n]) == 0)
    assert table["flip_rate"] == [0, 0, pytest.approx(1 - zeros, rel=1e-3), 0]
    assert table["dead"][2] == pytest.approx(zeros, rel=1e-3)


def test_without_levels_only_the_shape_is_told() -> None:
    model = network("full-precision")
    table = diagnostics.layers(model, diagnostics.export(model), {}, ZeroSpells())
    assert all(isinstance(k, float) for k in table.pop("kurtosis"))
    assert table.pop("name") == ["0", "1", "2"]
    assert all(column == [None] * 3 for column in table.values())


def test_a_grid_without_zero_has_no_dead_weights() -> None:
    model, spells = network("binary"), ZeroSpells()
    found = diagnostics.export(model)
    assert {c.grid for c in found.values()} == {BINARY}
    spells.see(found)
    assert diagnostics.layers(model, found, found, spells)["dead"] == [None] * 3


def test_effective_rank() -> None:
    assert diagnostics.effective_rank(torch.eye(7)[:, :5] * 1e-12) == pytest.approx(5)
    assert diagnostics.effective_rank(torch.outer(torch.arange(1.0, 5.0), torch.ones(9))) == pytest.approx(1, abs=1e-5)
    assert diagnostics.effective_rank(torch.zeros(3, 2)) == 0
    shares = torch.tensor([0.75, 0.25])  # entropy by hand
    assert diagnostics.effective_rank(torch.diag(shares * 8)) == pytest.approx(4 / 3**0.75)


def test_first_middle_and_last_gradient_are_ranked() -> None:
    model = network("pentanary")
    assert diagnostics.gradient_rank(model) == {}
    for index, (_, module) in enumerate(method_modules(model)):
        module.weight.grad = torch.zeros_like(module.weight)
        module.weight.grad.diagonal()[: index + 1] = 1
    assert list(diagnostics.gradient_rank(model).items()) == [
        ("model.layers.0.self_attn.q_proj", 1),
        ("model.layers.1.self_attn.o_proj", 11),
        ("model.layers.2.mlp.down_proj", 21),
    ]


@pytest.mark.parametrize("family", ["llama", "gpt"])
def test_the_residual_grows_by_what_the_blocks_add(
    configure: Callable[..., TrainConfig], tiny: Dataset, tmp_path: Path, family: str
) -> None:
    loop = Loop(configure(family, "model.layers=3"), tiny, tmp_path, pytest.fail)
    sizes = diagnostics.residual(loop.network, tiny, loop.device, "float32")
    assert len(sizes) == 4
    assert sizes == sorted(sizes)
    with torch.no_grad():
        for _, module in method_modules(loop.network):
            module.weight.zero_()
    silent = diagnostics.residual(loop.network, tiny, loop.device, "float32")
    assert len(set(silent)) == 1
    assert loop.network.training
    assert not any(m._forward_hooks for m in loop.network.modules())


def test_a_resumed_run_keeps_its_zero_spells(
    configure: Callable[..., TrainConfig], tiny: Dataset, tmp_path: Path
) -> None:
    config = configure("llama", "steps=4", "eval_every=1", "checkpoint_every=3")
    loop = Loop(config, tiny, tmp_path, pytest.fail)
    loop.run(StopRequest(), lambda _: None)
    rows = (tmp_path / "metrics.jsonl").read_bytes()
    dead = [json.loads(line)["layers"]["dead"] for line in rows.splitlines() if b"layers" in line]
    assert dead[0] == [0, 0]  # not yet that long
    assert all(0 < share < 0.5 for share in dead[-1])
    assert any(name.startswith(diagnostics.ZERO_SPELL) for name in load(loop.store.paths()[0]).optimizer)
    loop.store.paths()[-1].rename(tmp_path / "gone")
    again = Loop(config, tiny, tmp_path, pytest.fail)
    assert again.resume()
    assert again.state.step == 3
    again.run(StopRequest(), lambda _: None)
    assert (tmp_path / "metrics.jsonl").read_bytes() == rows


def flat(method: str, storage: str = "int8") -> Network:
    config = LlamaConfig(layers=2, width=128, heads=2, kv_heads=2, hidden=256, tie=True)
    made = build(config, 300, Trainable(method, storage, storage))
    made.initialize(torch.Generator().manual_seed(0))
    return made


def test_occupancy_of_a_fresh_network_is_a_gaussians() -> None:
    shares = diagnostics.occupancy(diagnostics.levels(diagnostics.export(flat("pentanet-seed"))))
    assert shares is not None
    assert list(shares) == ["-2", "-1", "0", "1", "2"]
    assert sum(shares.values()) == pytest.approx(1)
    assert shares["0"] == pytest.approx(0.3101, abs=3e-3)
    assert shares["2"] == pytest.approx(0.1157, abs=3e-3)


def test_levels_are_those_of_every_matrix_under_the_method_once() -> None:
    model = flat("ternary", "grid")
    found = diagnostics.levels(diagnostics.export(model))
    assert sum(x.size for x in found.values()) == sum(m.weight.numel() for _, m in method_modules(model))
    assert "model.embed_tokens" in found
    assert "lm_head" not in found


def test_full_precision_has_no_levels() -> None:
    found = diagnostics.levels(diagnostics.export(flat("full-precision")))
    assert found == {}
    assert diagnostics.occupancy(found) is None
    assert diagnostics.changed(found, found) is None


def test_changed_by_hand() -> None:
    before = {"a": np.array([[1, 0], [0, -1]], np.int8), "b": np.array([[2, 2, 2, 2]], np.int8)}
    after = {"a": np.array([[1, 0], [1, -1]], np.int8), "b": np.array([[2, 2, 1, 2]], np.int8)}
    assert diagnostics.changed(before, after) == 2 / 8
    assert diagnostics.changed(before, before) == 0


def test_shape_of_the_latent_weights() -> None:
    model = flat("pentanary")
    shape = diagnostics.latent_shape(model)
    assert abs(shape.kurtosis) < 0.05
    with torch.no_grad():
        for _, module in method_modules(model):
            module.weight.uniform_(-3, 3, generator=torch.Generator().manual_seed(0))
    shape = diagnostics.latent_shape(model)
    assert shape.kurtosis == pytest.approx(-1.2, abs=0.02)  # of a uniform distribution
    assert shape.rms == pytest.approx(3**0.5, rel=0.01)

"""Suites name what exists."""

from __future__ import annotations

import pytest

from pentanet.bench import plans
from pentanet.bench.run import arm_config
from pentanet.bench.suites import SUITES, suite
from pentanet.errors import UnknownNameError
from pentanet.families.build import build
from pentanet.nn import Trainable, count_parameters, method_modules
from pentanet.quant import METHODS
from pentanet.training.loop import new_network
from pentanet.training.pack import export_tensors
from pentanet.training.presets import load_config, preset_names


@pytest.mark.parametrize("name", SUITES)
def test_presets_arms_and_what_is_compared_exist(name: str) -> None:
    found = suite(name)
    assert found.name == name
    assert found.preset in preset_names()
    recipe = load_config(found.preset, list(found.settings))
    assert len({arm.name for arm in found.arms}) == len(found.arms)
    for arm in found.arms:
        made = arm_config(recipe, arm)  # settings exist, and may be combined
        if (grid := METHODS[arm.method].grid) is not None:
            assert grid.size > 1
        assert made.steps == recipe.steps  # equal tokens
        assert found.arm(arm.name) == arm
    names = set(found.methods)
    assert {arm.teacher for arm in found.arms if arm.teacher} <= {arm.name for arm in found.arms if not arm.teacher}
    assert set(found.controls) <= names
    assert {name for pair in found.pairs for name in pair} <= names
    assert len(set(found.pairs)) == len(found.pairs)
    for contrast in found.contrasts:
        assert set(contrast.weights) <= names
        assert sum(contrast.weights.values()) == 0


def test_plain_suites_take_any_method_and_others_only_their_arms() -> None:
    assert suite("nano").arm("sherry").method == "sherry"
    with pytest.raises(UnknownNameError, match="unknown method 'shery'"):
        suite("nano").arm("shery")
    with pytest.raises(UnknownNameError, match="unknown arm 'sherry'"):
        suite("depth").arm("sherry")


@pytest.mark.parametrize("name", ["depth", "depth-seed"])
def test_networks_of_all_depths_have_about_the_same_number_of_weights(name: str) -> None:
    found = suite(name)
    recipe = load_config(found.preset, list(found.settings))
    sizes: dict[int, int] = {}
    for layers in plans.DEPTHS:
        config = arm_config(recipe, found.arm(f"full-precision-{layers}"))
        assert config.model.layers == layers
        network = build(config.model, 1024, Trainable("pentanary", "int8", "int8"), "meta")
        sizes[layers] = sum(m.weight.numel() for n, m in method_modules(network) if n != "lm_head")
    assert len(sizes) == 4
    assert max(sizes.values()) < 1.06 * min(sizes.values())


def test_wider_networks_have_the_weights_and_the_bits_of_hgf() -> None:
    found = suite("hgf")
    recipe = load_config(found.preset, list(found.settings))

    def size(arm: str) -> tuple[int, int, int]:
        network = new_network(arm_config(recipe, found.arm(arm)), 1024)
        specs = {name: tensor.spec for name, tensor in export_tensors(network).items()}
        stored = sum(e.nbytes for name, spec in specs.items() for e in spec.entries(name).values())  # no headers
        return network.config.width, count_parameters(network)[0], stored

    plain, hgf, ungated = size("bitnet-b158"), size("hgf"), size("hgf-ungated")
    assert hgf[1] - ungated[1] == 4 * 7  # the gates
    assert size("bitnet-b158-wider")[0] == 1.125 * plain[0]
    assert size("bitnet-b158-same-parameters")[1] == pytest.approx(ungated[1], rel=2e-3)
    assert size("bitnet-b158-same-bits")[2] == pytest.approx(hgf[2], rel=5e-3)


def test_the_main_job_has_the_published_arms_and_their_controls() -> None:
    assert suite("nano").methods == ("full-precision", "bitnet-seed", "pentanet-seed", "ternary", "pentanary")
    assert {"full-precision", "ternary"} <= set(suite("nano").controls)


def test_every_method_is_in_the_matrix_once() -> None:
    names = suite("methods").methods
    assert len(set(names)) == len(names)
    assert set(names) == set(METHODS)


def test_an_unknown_suite_names_its_neighbour() -> None:
    with pytest.raises(UnknownNameError, match=r"unknown suite 'nanoo'\. Did you mean 'nano'\?"):
        suite("nanoo")

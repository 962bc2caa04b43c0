"""Suites name what exists."""

from __future__ import annotations

import pytest

from pentanet.bench.suites import SUITES, suite
from pentanet.errors import UnknownNameError
from pentanet.quant import METHODS
from pentanet.train.presets import preset_names


@pytest.mark.parametrize("name", SUITES)
def test_presets_and_methods_exist(name: str) -> None:
    found = suite(name)
    assert found.name == name
    assert found.preset in preset_names()
    assert set(found.controls) <= set(found.methods) <= set(METHODS)


def test_the_main_job_has_the_published_arms_and_their_controls() -> None:
    assert suite("nano").methods == ("full-precision", "bitnet-seed", "pentanet-seed", "ternary", "pentanary")
    assert {"full-precision", "ternary"} <= set(suite("nano").controls)


def test_every_method_is_in_the_matrix_once() -> None:
    names = suite("methods").methods
    assert len(set(names)) == len(names)
    assert set(METHODS) - set(names) == {"tbt-binary"}  # the rule of binary


def test_an_unknown_suite_names_its_neighbour() -> None:
    with pytest.raises(UnknownNameError, match=r"unknown suite 'nanoo'\. Did you mean 'nano'\?"):
        suite("nanoo")

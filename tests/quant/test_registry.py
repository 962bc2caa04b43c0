"""A method is one file, or one call from a package of its own, and nothing else."""

from __future__ import annotations

import dataclasses
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest
import torch
from torch import Tensor

from pentanet.bench.catalogue import describe
from pentanet.bench.suites import suite
from pentanet.codes import Codes
from pentanet.errors import ConfigError
from pentanet.grid import PENTANARY, Grid
from pentanet.quant import METHODS, ROW, Method, UniformQuantizer, group, methods, quantizer, register, registry
from pentanet.quant.scales import rms_optimal
from pentanet.report.theory import gaussian_occupancy
from pentanet.training.presets import load_config

MINE = Method(
    name="pentanary-of-mine",
    title="pentanary, groups of 32",
    grid=PENTANARY,
    granularity=group(32),
    scale=rms_optimal(PENTANARY),
    gradient="trust",
)


@pytest.fixture(autouse=True)
def as_before() -> Iterator[None]:
    """What a test registers is forgotten after it."""
    before = dict(METHODS)
    yield
    registry._known.clear()
    registry._known.update(before)


def test_every_file_of_methods_is_found() -> None:
    files = [path.stem for path in sorted(Path(methods.__path__[0]).glob("*.py")) if path.stem != "__init__"]
    records = [found for stem in files for found in sys.modules[f"{methods.__name__}.{stem}"].METHODS]
    assert [found.name for found in records] == list(METHODS)


def test_a_new_file_is_a_new_method(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    (tmp_path / "methods_of_mine").mkdir()
    (tmp_path / "methods_of_mine/fine.py").write_text(
        "from pentanet.grid import TERNARY\n"
        "from pentanet.quant import Method, group\n"
        "from pentanet.quant.scales import absmean\n"
        'METHODS = (Method(name="fine", title="t", grid=TERNARY, granularity=group(8), scale=absmean()),)\n'
    )
    monkeypatch.syspath_prepend(tmp_path)
    (found,) = registry.discover("methods_of_mine", [str(tmp_path / "methods_of_mine")])
    codes = found.make().export(torch.ones(2, 16))
    assert isinstance(codes, Codes)
    assert (found.name, codes.scales.shape) == ("fine", (2, 2))


def test_a_registered_method_works_wherever_ours_do() -> None:
    register(MINE)
    assert isinstance(quantizer(MINE.name), UniformQuantizer)
    assert load_config("nano", [f"weights.method={MINE.name}"]).weights.method == MINE.name
    assert describe([MINE.name])[0]["granularity"] == "group:32"
    register(dataclasses.replace(MINE, name="mine-by-rows", granularity=ROW))
    assert gaussian_occupancy("mine-by-rows") == gaussian_occupancy("pentanary")
    assert suite("nano").arm(MINE.name).method == MINE.name


def test_a_name_is_given_once_and_could_be_a_folder() -> None:
    register(MINE)
    with pytest.raises(ConfigError, match="'pentanary-of-mine': the name is taken"):
        register(MINE)
    for name in ("", "../up", "Ternary", "a--b", "two words"):
        with pytest.raises(ConfigError, match="small letters"):
            register(dataclasses.replace(MINE, name=name))


def test_a_grid_that_no_file_can_hold_is_refused() -> None:
    wide = Grid("wide", tuple(range(-20, 21)))
    with pytest.raises(ConfigError, match="the file format has the grids binary, ternary"):
        register(dataclasses.replace(MINE, grid=wide, scale=rms_optimal(wide)))


def test_a_record_without_a_scale_needs_a_quantizer_of_its_own() -> None:
    with pytest.raises(ConfigError, match="name its grid, granularity and scale, or a `build`"):
        register(dataclasses.replace(MINE, scale=None))


class Lying(UniformQuantizer):
    def fake(self, weight: Tensor, progress: float) -> Tensor:
        return super().fake(weight, progress) * 1.0001


def test_a_method_that_stores_something_else_is_refused() -> None:
    with pytest.raises(ConfigError, match="'pentanary-of-mine': at the end of the training `fake` differs"):
        register(dataclasses.replace(MINE, build=Lying.of))
    assert MINE.name not in METHODS


def test_the_suite_of_all_methods_is_the_registry() -> None:
    assert set(suite("methods").methods) == set(METHODS)

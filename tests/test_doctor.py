"""A healthy installation is called healthy, and every illness is named."""

from __future__ import annotations

import dataclasses
import json

import numpy as np
import pytest

from pentanet import doctor as room
from pentanet.cli import main
from pentanet.format.layouts import LAYOUTS
from pentanet.kernels import native
from pentanet.quant import METHODS, UniformQuantizer


@pytest.fixture(autouse=True)
def cache(monkeypatch, tmp_path):
    monkeypatch.setenv("PENTANET_CACHE", str(tmp_path / "cache"))
    return tmp_path / "cache"


def test_healthy(cache):
    found = room.doctor()
    assert found.healthy, found.checks
    assert [check.name for check in found.checks] == ["layouts", "methods", "end-to-end", "engine", "cache"]
    assert f"{len(METHODS)} methods" in found.checks[1].detail
    assert ("shift-add" in found.instruction_sets) == native.available()
    assert list(cache.iterdir()) == [], "the try leaves nothing behind"
    assert json.loads(json.dumps(found.to_dict()))["healthy"] is True


def test_layout_that_loses_levels(monkeypatch):
    layout = LAYOUTS["pentanary-7bit"]
    monkeypatch.setattr(type(layout), "decode", lambda self, data, grid, rows, cols: np.zeros((rows, cols), np.int8))
    check = room._try("layouts", room._layouts)
    assert check.error is not None
    assert check.error.startswith("AssertionError: ('")


def test_method_that_stores_something_else(monkeypatch):
    lying = dataclasses.replace(METHODS["ternary"], name="lying", build=_Lying.of)
    monkeypatch.setattr("pentanet.quant.METHODS", {"lying": lying})
    check = room._try("methods", room._methods)
    assert check.error is not None
    assert "method 'lying'" in check.error


class _Lying(UniformQuantizer):
    def fake(self, weight, progress):
        return super().fake(weight, progress) * 1.0001


def test_cache_that_cannot_be_written(monkeypatch, tmp_path):
    (tmp_path / "file").write_text("")
    monkeypatch.setenv("PENTANET_CACHE", str(tmp_path / "file" / "cache"))
    check = room._try("cache", room._cache)
    assert check.error is not None
    assert "cache" in check.error


def test_extras_that_are_missing(monkeypatch):
    monkeypatch.setattr(room, "EXTRAS", {"no_such_package_at_all": "some", "json": "other"})
    monkeypatch.setattr(room, "_try", lambda name, run: room.Check(name=name, detail="", error=None))
    assert room.doctor().extras == {"no_such_package_at_all [some]": None, "json [other]": "unknown version"}


def test_command_fails_when_a_check_does(monkeypatch, capsys):
    def broken():
        raise RuntimeError("a tooth [hurts]")

    monkeypatch.setattr(room, "_layouts", broken)
    for name in ("_methods", "_end_to_end", "_cache"):
        monkeypatch.setattr(room, name, lambda: "fine")
    with pytest.raises(SystemExit) as left:
        main(["doctor"])
    assert left.value.code == 1
    assert "FAILED layouts: RuntimeError: a tooth [hurts]" in capsys.readouterr().out

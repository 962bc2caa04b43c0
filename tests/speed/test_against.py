"""The comparison with llama.cpp: its arithmetic with models that sleep, the real one where it is installed."""

from __future__ import annotations

import dataclasses
import sys
import time
from types import ModuleType

import pytest

from pentanet.errors import MissingExtraError
from pentanet.speed import MODELS, against, gguf_file, speed, speed_settings


class Sleeper:
    """A model that takes the same time for each call."""

    def __init__(self, seconds: float) -> None:
        self.seconds, self.seen = seconds, 0

    def reset(self, length: int) -> None:
        assert length <= self.seen
        self.seen = length

    def forward(self, ids: list[int]) -> None:
        time.sleep(self.seconds)
        self.seen += len(ids)


def test_ratios_say_how_many_times_ours_is_faster(monkeypatch):
    monkeypatch.setattr(against, "REST", 0)
    found = against._compare(Sleeper(0.01), Sleeper(0.04), speed_settings(quick=True))
    assert 2 < found["decode_ratio"] < 6
    assert 2 < found["prefill_ratio"] < 6
    assert 50 < found["ours_decode_tokens_per_second"] <= 100
    assert 10 < found["decode_tokens_per_second"] <= 25
    assert found["prefill_tokens_per_second"] / found["decode_tokens_per_second"] > 100, "a prompt is one call"


def test_types_that_do_not_divide_the_rows_are_skipped():
    fits = {kind: gguf_file.why_not(kind, MODELS["smollm2-135m"]) is None for kind in gguf_file.BODY}
    assert fits == {"Q2_K": False, "Q4_0": True, "TQ2_0": False, "TQ1_0": False}
    assert all(gguf_file.why_not(kind, MODELS["llama-778m"]) is None for kind in gguf_file.BODY)


@pytest.mark.parametrize(("missing", "package"), [("llama_cpp", "llama-cpp-python"), ("gguf", "gguf")])
def test_a_missing_package_is_named_before_anything_is_measured(missing, package, monkeypatch):
    for name in ("llama_cpp", "gguf"):
        monkeypatch.setitem(sys.modules, name, None if name == missing else ModuleType(name))
    with pytest.raises(MissingExtraError, match=package):
        speed(speed_settings(quick=True, against=True))


def test_block_types_are_those_of_gguf():
    gguf = pytest.importorskip("gguf")
    for name, block in gguf_file.BLOCKS.items():
        assert gguf.GGML_QUANT_SIZES[gguf.GGMLQuantizationType[name]] == (block.weights, block.nbytes)


@pytest.mark.parametrize("kind", gguf_file.BLOCKS)
def test_scales_stand_where_ggml_has_them(kind):
    """All weights are finite and small: a scale at a wrong place would be a random float16."""
    gguf = pytest.importorskip("gguf")
    blocks = gguf_file._random(kind, 64, 1024)
    weights = gguf.dequantize(blocks, gguf.GGMLQuantizationType[kind])
    assert abs(weights).max() < 5


def test_stock_llama_cpp(monkeypatch):
    pytest.importorskip("llama_cpp")
    monkeypatch.setattr(against, "REST", 0)
    settings = dataclasses.replace(speed_settings(quick=True, threads=[1], against=True), layouts=("byte",))
    results = speed(settings)["against"]["results"]
    assert [row["type"] for row in results] == list(gguf_file.BODY)
    measured = [row for row in results if "skipped" not in row]
    assert [row["type"] for row in measured] == ["Q4_0"], "the tiny model has rows of 64"
    assert all(value > 0 for value in measured[0].values() if isinstance(value, float))

"""The text that calibrates where none is named: made once, from what is at hand."""

from __future__ import annotations

import pytest
import torch

from pentanet.errors import DataError, EngineError, TextTooShortError
from pentanet.kernels import native
from pentanet.ptq import mixed_text, run
from pentanet.ptq.config import QuantizeConfig
from pentanet.ptq.mixed_text import docstring_windows
from pentanet.sources.open import open_source

SMALL = QuantizeConfig(method="gptq", group=16, samples=6, window=24)
engine = pytest.mark.skipif(not native.available(), reason="the engine was not compiled")


def quantize(folder, out, config=SMALL, **options):
    return run.quantize(open_source(folder), out, config, **options)


@engine
def test_most_of_it_is_the_models_own(make, tmp_path):
    made = quantize(make(), tmp_path / "out")
    assert made.calibration is not None
    assert made.calibration["text"].startswith(
        "6 windows of 24 tokens: 4 that the model wrote, 2 of docstrings of Python"
    )
    assert (made.calibration["windows"], made.calibration["window"]) == (6, 24)
    assert made.calibration["text"] in (tmp_path / "out" / "README.md").read_text()
    assert not list(tmp_path.glob("out.*")), "the copy that wrote it is gone"
    again = quantize(tmp_path / "llama", tmp_path / "again", workers=2)
    assert again.calibration == made.calibration


@engine
def test_a_window_is_no_longer_than_the_model_reads(make, tmp_path):
    made = quantize(make(), tmp_path / "out", QuantizeConfig(method="gptq", group=16, samples=3, window=512))
    assert made.calibration is not None and made.calibration["window"] == 64


@engine
@pytest.mark.parametrize("damage", ["", "cut", "other"])
def test_a_stopped_run_does_not_write_it_again(make, tmp_path, monkeypatch, damage):
    folder, out = make(), tmp_path / "out"
    whole, wrote = quantize(folder, tmp_path / "whole"), []

    def stop(stage, done, total):
        if stage == "calibrate":
            raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        quantize(folder, out, progress=stop)
    file = out.with_name("out.unfinished") / "text.json"
    if damage:
        text = file.read_text()
        file.write_text(text[:40] if damage == "cut" else text.replace("[[", "[[ 1, "))
    write = mixed_text.write_windows
    monkeypatch.setattr(mixed_text, "write_windows", lambda *a, **k: wrote.append(1) or write(*a, **k))
    assert quantize(folder, out).calibration == whole.calibration
    assert len(wrote) == bool(damage)


def test_without_the_engine_it_is_docstrings(make, tmp_path, monkeypatch):
    def refuse(*arguments, **options):
        raise EngineError("was not compiled")

    monkeypatch.setattr(mixed_text, "write_windows", refuse)
    made = quantize(make(), tmp_path / "out")
    assert made.calibration is not None and made.calibration["text"].startswith(
        "6 windows of 24 tokens: 6 of docstrings of Python"
    )


def test_docstrings_are_whole_windows(make):
    source = open_source(make())
    found = docstring_windows(source, 24, 5)
    assert found.shape == (5, 24)
    assert len({tuple(row) for row in found.tolist()}) == 5
    assert torch.equal(docstring_windows(source, 24, 1)[0], found[0])


def test_too_few_docstrings(make, monkeypatch):
    monkeypatch.setattr(mixed_text, "library_docstrings", lambda: "short")
    with pytest.raises(TextTooShortError, match="--calibration"):
        docstring_windows(open_source(make()), 24, 5)


def test_a_model_without_a_tokenizer(make, tmp_path):
    folder = make()
    (folder / "tokenizer.json").unlink()
    with pytest.raises(DataError, match="tokenizer"):
        quantize(folder, tmp_path / "out")

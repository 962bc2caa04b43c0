"""What --json prints is one JSON document, and nothing else stands on standard output."""

from __future__ import annotations

import json

import pytest

from pentanet.quant import METHODS
from pentanet.training.loss import EVALUATION_TOKENS
from pentanet.training.presets import preset_names


@pytest.fixture
def answer(pentanet):
    def run(*arguments):
        result = pentanet(*arguments, "--json")
        assert result.code == 0, result.err
        return json.loads(result.out)

    return run


def test_data_prepare(answer, tmp_path):
    (tmp_path / "text.txt").write_text("a few words to count\n" * 200)
    found = answer("data", "prepare", tmp_path / "text.txt", "--out", tmp_path / "set", "--tokenizer", "bpe:260")
    assert found["vocab"] == 260
    assert set(found["splits"]) == {"train", "valid", "test"}
    assert found["splits"]["train"]["tokens"] > 0


def test_dry_run_has_the_promised_keys(answer):
    found = answer("train", "nano", "--dry-run", "--set", "data.tokenizer=bpe:300")
    assert {"parameters", "quantized_parameters", "occupancy", "tokens", "file_bytes", "memory_bytes"} <= set(found)
    assert found["vocab"] == 300


@pytest.mark.slow
def test_dry_run_of_the_published_model_counts_as_published(answer):
    found = answer("train", "seed-124m", "--dry-run")
    assert (found["parameters"], found["quantized_parameters"]) == (123_944_448, 123_532_032)


def test_train_pack_inspect(answer, recipe, tiny, tmp_path):
    run = answer("train", recipe, "--data", tiny.path, "--out", tmp_path / "run")
    assert run["run"] == str(tmp_path / "run")
    assert run["val_loss"] == json.loads((tmp_path / "run/record.json").read_text())["val_loss"]
    packed = answer("pack", tmp_path / "run")
    assert packed == answer("inspect", tmp_path / "run/model")
    assert packed["method"] == "pentanary"


def test_cost_of_methods(answer):
    small = ("model.layers=1", "model.width=32", "model.hidden=64")
    sets = [part for pair in small for part in ("--set", pair)]
    rows = answer("bench", "methods", "--cost", "--methods", "ternary", "--steps", 1, *sets)
    assert [row["name"] for row in rows] == ["full-precision", "ternary"]
    assert set(rows[0]) == {"name", "seconds", "ratio", "low", "high"}


def test_generate(answer, packed):
    found = answer("generate", packed, "--prompt", "the cat", "--tokens", 5, "--seed", 1)
    assert found["prompt"] == "the cat"
    assert found["text"]
    assert found["text"] == answer("generate", packed, "--prompt", "the cat", "--tokens", 5, "--seed", 1)["text"]


def test_eval_repeats_the_loss_of_the_run(answer, packed, finished):
    record = json.loads((finished / "record.json").read_text())
    assert answer("eval", packed, "--precision", record["precision"])["loss"] == record["val_loss"]


def test_eval_of_another_text_uses_the_tokenizer_of_the_model(answer, packed, tmp_path, monkeypatch):
    monkeypatch.setenv("PENTANET_CACHE", str(tmp_path / "cache"))
    (tmp_path / "text.txt").write_text("the dog sat on the mat\n" * 100)
    found = answer("eval", packed, "--text", tmp_path / "text.txt", "--split", "test", "--eos", "line")
    assert found["split"] == "test"
    assert found["bits_per_byte"] > 0


def test_eval_stops_after_as_many_tokens_as_it_is_told(answer, packed, tmp_path, monkeypatch):
    monkeypatch.setenv("PENTANET_CACHE", str(tmp_path / "cache"))
    (tmp_path / "text.txt").write_text("the dog sat on the mat\n" * 2000)
    call = ("eval", packed, "--text", tmp_path / "text.txt", "--split", "train", "--eos", "line")
    assert answer(*call, "--limit", 20)["tokens"] == EVALUATION_TOKENS < answer(*call)["tokens"]


def test_doctor(answer):
    found = answer("doctor")
    assert found["healthy"] is True
    assert [check["name"] for check in found["checks"]] == ["layouts", "methods", "end-to-end", "engine", "cache"]


def test_methods_and_presets(answer, pentanet):
    methods = {row["name"]: row for row in answer("methods")}
    assert set(methods) == set(METHODS)
    assert methods["sherry"]["paper"] == "2601.07892"
    presets = {row["name"]: row for row in answer("presets")}
    assert set(presets) == set(preset_names())
    assert (presets["nano"]["layers"], presets["nano"]["tokens"]) == (4, 204_800)
    assert presets["trilm-99m"]["paper"] == "2407.12327"
    assert "hestia-ternary" in pentanet("methods").out
    line = next(line for line in pentanet("presets").out.splitlines() if line.startswith("nano "))
    assert "205 k" in line and "The main job" in line


def test_list_of_methods(answer):
    found = answer("bench", "methods", "--list")
    assert {"name", "title", "grid", "granularity", "bits"} <= set(found[0])
    assert [row["name"] for row in answer("bench", "--list", "--methods", "ternary,binary")] == ["ternary", "binary"]


def test_speed(answer, tmp_path):
    pytest.importorskip("pentanet._native", reason="the engine was not compiled")
    found = answer("speed", "--quick", "--threads", 1, "--layouts", "byte", "nibble", "--out", tmp_path / "out")
    assert [row["layout"] for row in found["decode"]] == ["byte", "nibble"]
    assert found["machine"]["threads"] == [1]
    assert found == json.loads((tmp_path / "out/speed.json").read_text())
    assert (tmp_path / "out/roofline.svg").read_text().startswith("<svg")


@pytest.mark.slow
def test_bench_and_report(answer, tiny, tmp_path):
    sizes = ["layers=1", "width=16", "heads=2", "kv_heads=1", "hidden=24", "context=16"]
    settings = [word for size in sizes for word in ("--set", f"model.{size}")]
    call = ["bench", "nano", "--data", tiny.path, "--methods", "ternary,pentanary", "--steps", 2, "--seeds", 1]
    found = answer(*call, "--out", tmp_path / "bench", *settings)
    assert list(found["methods"]) == ["ternary", "pentanary"]
    run = found["methods"]["pentanary"]["seeds"]["0"]
    assert run["packed_val_loss"] == run["val_loss"]
    assert found == json.loads((tmp_path / "bench/summary.json").read_text())
    page = answer("report", tmp_path / "bench")
    assert page["page"] == str(tmp_path / "bench/report/index.html")
    assert page["methods"] == found["methods"]


def test_quantize_and_eval_a_whole_text(answer, pretrained, tmp_path):
    (tmp_path / "text.txt").write_text("the cat sat on a mat all day\n" * 20)
    where = ("--text", tmp_path / "text.txt", "--context", 16)
    found = answer("quantize", pretrained, "--out", tmp_path / "out", "--group", 16, "--grid", "int8", *where)
    assert found["perplexity_after"] == pytest.approx(found["perplexity_before"], rel=0.05)
    assert found["warnings"] == []
    assert found["peak_rss_bytes"] > found["seconds"] > 0
    assert found["quantized_bits_per_weight"] > 8  # scales and padding on top
    again = answer("eval", tmp_path / "out", "--text", tmp_path / "text.txt", "--stride", 16, "--context", 16)
    assert again["perplexity"] == found["perplexity_after"]


def test_the_native_engine_multiplies_integers(answer, model, tmp_path):
    """Whatever torch would do on this machine: no number is rounded to bfloat16."""
    pytest.importorskip("pentanet._native", reason="the engine was not compiled")
    (tmp_path / "text.txt").write_text("the cat sat on a mat all day\n" * 20)
    where = ("--text", tmp_path / "text.txt", "--stride", 16, "--context", 16, "--engine", "native")
    found = [answer("eval", model, *where, "--precision", name) for name in ("auto", "bfloat16")]
    assert [one["precision"] for one in found] == ["float32"] * 2
    assert found[0]["loss"] == found[1]["loss"]

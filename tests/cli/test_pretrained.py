"""What `quantize` and `finetune` say when they are stopped, or asked for what would do harm."""

from __future__ import annotations

import json

import pytest

from pentanet.ptq import run


@pytest.fixture
def text(tmp_path):
    file = tmp_path / "a text \u6771.txt"
    file.write_text("the cat sat on a mat all day\n" * 20)
    return file


def snapshot(folder):
    return {path.name: path.read_bytes() for path in folder.iterdir()}


def test_a_stopped_quantization_says_what_to_do(pentanet, pretrained, tmp_path, monkeypatch):
    out, made, store = tmp_path / "m\u00f6del", [], run.store

    def stop(source, name, *rest):
        made.append(name)
        if len(made) == 3:
            raise KeyboardInterrupt
        return store(source, name, *rest)

    monkeypatch.setattr(run, "store", stop)
    stopped = pentanet("quantize", pretrained, "--out", out, "--workers", 1)
    assert stopped.code == 130
    assert stopped.err.splitlines()[-1] == (
        f"pentanet: stopped; the same command goes on with what waits in {out}.unfinished"
    )
    assert pentanet("quantize", pretrained, "--out", out, "--workers", 1).code == 0
    assert made[2:4] == [made[2]] * 2, "it went on, and did not begin again"
    assert not out.with_name(f"{out.name}.unfinished").exists()


def test_stopped_while_it_is_measured(pentanet, pretrained, text, tmp_path, monkeypatch):
    def stop(*arguments):
        raise KeyboardInterrupt

    monkeypatch.setattr("pentanet.cli.console.measure_text", stop)
    stopped = pentanet("quantize", pretrained, "--out", tmp_path / "q", "--text", text)
    assert stopped.code == 130
    assert stopped.err.splitlines()[-1] == f"pentanet: stopped; {tmp_path / 'q'} is whole; `pentanet eval` measures it"
    assert pentanet("inspect", tmp_path / "q").code == 0


def test_the_original_is_never_replaced(refuse, pentanet, pretrained, text, tmp_path):
    assert pentanet("quantize", pretrained, "--out", tmp_path / "q", "--group", 16).code == 0
    before = snapshot(pretrained)
    assert "the original lies there" in refuse("quantize", pretrained, "--out", pretrained, "--overwrite")
    inner = pretrained / "inner"
    pretrained.rename(tmp_path / "moved")
    (tmp_path / "q").rename(pretrained)
    (tmp_path / "moved").rename(inner)  # the original in a folder of a model that would be replaced
    common = ("--overwrite", "--data", text, "--steps", 1, "--window", 8)
    for out in (pretrained, inner):
        assert "the original lies there" in refuse("quantize", inner, "--out", out, "--overwrite")
        assert "the original lies there" in refuse("finetune", pretrained, "--original", inner, "--out", out, *common)
        assert snapshot(inner) == before


def test_a_window_longer_than_the_model_reads(refuse, pentanet, pretrained, text, tmp_path):
    assert pentanet("quantize", pretrained, "--out", tmp_path / "q", "--group", 16).code == 0
    found = refuse("finetune", tmp_path / "q", "--original", pretrained, "--out", tmp_path / "f", "--data", text)
    assert "--window 512: the model reads at most" in found
    assert not (tmp_path / "f.unfinished").exists()


def test_rounding_to_few_levels_needs_force(refuse, pentanet, pretrained, tmp_path):
    """Five levels by rounding alone took SmolLM2-135M from a perplexity of 28 to a million."""
    for grid in ("pentanary", "ternary", "nonary"):
        message = refuse("quantize", pretrained, "--out", tmp_path / "q", "--grid", grid)
        assert "--method gptq" in message and "--force" in message
    assert not (tmp_path / "q").exists()
    call = ("quantize", pretrained, "--group", 16)
    assert pentanet(*call, "--out", tmp_path / "q").code == 0
    assert "byte" in next(line for line in pentanet("inspect", tmp_path / "q").out.splitlines() if "q_proj" in line)
    assert pentanet(*call, "--out", tmp_path / "five", "--grid", "pentanary", "--force").code == 0


def test_an_original_is_measured_and_continued_as_its_packed_model_is(pentanet, pretrained, text, tmp_path):
    """Before and after by one command; the numbers are those that `quantize --text` prints."""
    out = tmp_path / "q"
    made = json.loads(
        pentanet("quantize", pretrained, "--out", out, "--group", 16, "--text", text, "--context", 16, "--json").out
    )
    for path, key in ((pretrained, "perplexity_before"), (out, "perplexity_after")):
        call = ("eval", path, "--text", text, "--stride", 16, "--context", 16, "--json")
        assert json.loads(pentanet(*call).out)["perplexity"] == made[key]
        found = pentanet("generate", path, "--prompt", "the cat", "--tokens", 3, "--json")
        assert len(json.loads(found.out)["tokens"]) <= 3


def test_an_original_is_measured_on_a_split(refuse, pentanet, pretrained, text, tmp_path, monkeypatch):
    monkeypatch.setenv("PENTANET_CACHE", str(tmp_path / "cache"))
    assert pentanet("eval", pretrained, "--text", text, "--eos", "line").code == 0
    assert "is not packed" in refuse("eval", pretrained, "--engine", "native", "--text", text)


def test_a_training_run_names_the_command_that_packs_it(refuse, finished):
    for command in ("generate", "eval", "inspect", "chat"):
        assert f"pentanet pack {finished}" in refuse(command, finished)
    assert f"pentanet pack {finished}" in refuse("quantize", finished, "--out", "q")

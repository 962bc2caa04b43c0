"""A mistake of the user is one line on standard error and exit code 2, whatever the mistake."""

from __future__ import annotations

import hashlib
import io
import json
import math
import struct

import numpy as np
import pytest
from edits import edit_config

from pentanet.data.prepare import prepare


@pytest.mark.parametrize(
    ("arguments", "said"),
    [
        (["train", "--method", "pentanry", "--dry-run"], "unknown method 'pentanry'. Did you mean 'pentanary'?"),
        (["train", "--set", "optimizer.lrr=1", "--dry-run"], "unknown key 'lrr'. Did you mean 'lr'?"),
        (["train", "--set", "modell.layers=1", "--dry-run"], "unknown key 'modell'. Did you mean 'model'?"),
        (["train", "--set", "steps", "--dry-run"], "expected key=value"),
        (["train", "--set", "steps=many", "--dry-run"], "steps: expected int"),
        (["train", "nanno", "--dry-run"], "unknown preset 'nanno'. Did you mean 'nano'?"),
        (["train", "nowhere.toml", "--dry-run"], "nowhere.toml: no such file"),
        (["train", "--steps", "0", "--dry-run"], "--steps"),
        (["train", "--seed", "-1", "--dry-run"], "--seed"),
        (["train", "--data", "nowhere"], "nowhere: no such file or directory"),
        (["bench", "nanoo"], "unknown suite 'nanoo'. Did you mean 'nano'?"),
        (["bench", "--methods", "ternry"], "unknown method 'ternry'. Did you mean 'ternary'?"),
        (["bench", "--seeds", "0"], "--seeds"),
        (["data", "prepare", "nowhere", "--out", "x"], "nowhere: no such file or directory"),
        (["data", "prepare", "--tokenizer", "bpe:many", "--out", "x"], "bpe:many"),
        (["pack", "nowhere"], "nowhere/config.toml: no such file"),
        (["inspect", "nowhere"], "nowhere/config.json: no such file"),
        (["generate", "nowhere"], "nowhere/config.json: no such file"),
        (["generate", "nowhere", "--threads", "40000"], "--threads"),
        (["train", "--threads", "40000", "--dry-run"], "--threads"),
        (["eval", "nowhere"], "nowhere/config.json: no such file"),
        (["report", "nowhere"], "nowhere/summary.json: no such file"),
        (["speed", "--threads", "0"], "--threads"),
        (["speed", "--threads", "4096"], "--threads 4096: this process may use"),
        (["speed", "--layouts", "pentanary"], "unknown layout 'pentanary'. Did you mean 'pentanary-7bit'?"),
        (["speed", "--model", "llama-778"], "unknown model 'llama-778'. Did you mean 'llama-778m'?"),
        (["speed", "--against", "llama.cpp", "--model", "none"], "leave out --model none"),
        (["speed", "--against", "vllm"], "llama.cpp"),
        (["frobnicate"], "frobnicate"),
        (["train", "--stepps", "3"], "--stepps"),
        (["train", "--stepps", "3"], "See: pentanet train --help"),
        (["train", "--steps", "abc"], "See: pentanet train --help"),
        (["data", "prepare", "--nope"], "See: pentanet data prepare --help"),
        (["--nope"], "See: pentanet --help"),
        (["eval", "x", "--data", "y"], "--data is now --text. See: pentanet eval --help"),
        (["eval", "x", "--tokens=4"], "--tokens is now --limit"),
        (["quantize", "x", "--out", "y", "--tokens", "4"], "--tokens is now --limit"),
        (["finetune", "x", "--original", "y", "--text", "t", "--out", "z"], "--text is now --data"),
        (["eval"], "requires an argument"),
        (["eval", "x", "--split", "middle"], "middle"),
    ],
    ids=lambda value: " ".join(value) if isinstance(value, list) else "",
)
def test_mistake(arguments, said, refuse, tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    monkeypatch.setenv("PENTANET_CACHE", str(tmp_path / "cache"))
    assert said in refuse(*arguments)


# -- text -----------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("content", "said"),
    [
        (b"", "no text"),
        (b"\n \n\n", "no text"),
        (b"good line\n\xff\xfe bad\n" * 30, "UTF-8"),
        (b"four words of text\n" * 60, "window"),
    ],
    ids=["empty", "blank", "not UTF-8", "short"],
)
def test_text_that_cannot_be_used(content, said, refuse, recipe, tmp_path, monkeypatch):
    monkeypatch.setenv("PENTANET_CACHE", str(tmp_path / "cache"))
    text = tmp_path / "text.txt"
    text.write_bytes(content)
    long = ["--set", "model.context=4096", "--set", "data.tokenizer=bpe:300"]
    line = refuse("train", recipe, "--data", text, "--out", tmp_path / "run", *long)
    assert said in line
    assert "text" in line, "the message names the file or its data set"


def test_dataset_of_another_tokenizer(refuse, packed, tmp_path):
    (tmp_path / "text.txt").write_text("other words make another tokenizer\n" * 200)
    prepare(tmp_path / "text.txt", tmp_path / "other", tokenizer="bpe:265", eos="line")
    assert "tokenizer" in refuse("eval", packed, "--text", tmp_path / "other")


# -- model files ----------------------------------------------------------------------------------------------------


def header(path):
    """The JSON of a safetensors file, and where its data begins."""
    data = path.read_bytes()
    size = struct.unpack("<Q", data[:8])[0]
    return json.loads(data[8 : 8 + size]), 8 + size


def put(path, name, content):
    """Overwrite the first bytes of a tensor, and correct its checksum."""
    found, start = header(path)
    first, last = (start + offset for offset in found[name]["data_offsets"])
    data = bytearray(path.read_bytes())
    before = hashlib.sha256(data[first:last]).hexdigest().encode()
    data[first : first + len(content)] = content
    after = hashlib.sha256(data[first:last]).hexdigest().encode()
    assert data.count(before) == 1
    path.write_bytes(bytes(data).replace(before, after))


WEIGHT = "model.layers.0.self_attn.q_proj.weight"
READERS = (["inspect"], ["generate", "--tokens", "1"], ["eval"])


@pytest.fixture(params=READERS, ids=lambda reader: reader[0])
def reader(request, model):
    """A command that reads a model."""
    name, *more = request.param
    return [name, model, *more]


def test_truncated_file(refuse, reader, model):
    file = model / "model.safetensors"
    file.write_bytes(file.read_bytes()[:-100])
    assert "model.safetensors" in refuse(*reader)


def test_flipped_bit(refuse, reader, model):
    file = model / "model.safetensors"
    found, start = header(file)
    data = bytearray(file.read_bytes())
    data[start + found[WEIGHT]["data_offsets"][0]] ^= 1
    file.write_bytes(data)
    line = refuse(*reader)
    assert WEIGHT in line
    assert "checksum" in line or "sha256" in line


def test_wrong_shape(refuse, reader, model):
    edit_config(model, lambda config: config["quantization_config"]["tensors"][WEIGHT].update(shape=[16, 32]))
    assert WEIGHT in refuse(*reader)


def test_shape_that_the_network_does_not_have(refuse, model):
    edit_config(model, lambda config: config.update(intermediate_size=config["intermediate_size"] + 8))
    assert "gate_proj" in refuse("generate", model)


@pytest.mark.parametrize("value", [np.nan, np.inf, 0.0, -1.0])
def test_scale_that_is_none(value, refuse, model):
    put(model / "model.safetensors", f"{WEIGHT}_scale", np.float32(value).tobytes())
    for command in ("inspect", "generate", "eval"):
        line = refuse(command, model)
        assert f"{WEIGHT}_scale" in line or (WEIGHT in line and "scale" in line)


def test_code_that_no_encoder_writes(refuse, model):
    put(model / "model.safetensors", WEIGHT, b"\xff" * 7)
    assert WEIGHT in refuse("generate", model)


def test_model_directory_that_is_there_is_not_replaced(refuse, finished, model):
    before = (model / "config.json").read_bytes()
    assert "--overwrite" in refuse("pack", finished, "--out", model)
    assert (model / "config.json").read_bytes() == before


def test_layout_that_does_not_hold_the_grid(refuse, finished, tmp_path):
    assert "ternary-2bit" in refuse("pack", finished, "--layout", "ternary-2bit", "--out", tmp_path / "model")
    assert not (tmp_path / "model").exists()


def test_run_of_other_settings_is_not_continued(refuse, finished, recipe, tiny):
    line = refuse("train", recipe, "--data", tiny.path, "--steps", "2", "--out", finished)
    assert "steps = 3" in line
    assert "steps = 2" in line


def test_a_prompt_that_is_not_utf8(refuse, packed):
    assert "the prompt is not UTF-8" in refuse("generate", packed, "--prompt", "caf\udce9")


def test_what_is_typed_in_a_chat_may_be_no_text(monkeypatch):
    from pentanet.cli.chat import _lines
    from pentanet.errors import EncodingError

    monkeypatch.setattr("sys.stdin", io.TextIOWrapper(io.BytesIO(b"caf\xe9\n"), encoding="utf-8"))
    with pytest.raises(EncodingError, match="standard input is not UTF-8"):
        list(_lines())


@pytest.mark.parametrize("options", [(), ("--json",)])
def test_a_loss_that_is_no_number_is_not_printed(refuse, packed, options, monkeypatch):
    monkeypatch.setattr("pentanet.evaluation.perplexity.mean_loss", lambda *_: (math.nan, 10))
    assert "is nan: activations of the model are NaN or infinite" in refuse("eval", packed, *options)

"""transformers reads the files of a directory by itself, so the plug-in checks them; and it seals what it saves."""

from __future__ import annotations

import json
import shutil

import pytest
import torch

from pentanet.errors import ChecksumError, ModelConfigError, SealError
from pentanet.format.model_dir import open_model
from pentanet.runtime.inspect import inspect

transformers = pytest.importorskip("transformers")

import pentanet  # noqa: E402, F401

SMALL = {"width": 32, "heads": 2, "kv_heads": 1, "hidden": 40, "context": 32}


@pytest.fixture(autouse=True)
def offline(monkeypatch):
    monkeypatch.setenv("HF_HUB_OFFLINE", "1")


def opened(path, **settings):
    return transformers.AutoModelForCausalLM.from_pretrained(path, **settings)


def test_a_changed_config_is_refused(make):
    """Another base of the rotary positions: a model that runs, and is another one."""
    path = make(**SMALL)
    text = (path / "config.json").read_text()
    changed = text.replace('"rope_theta": 10000.0', '"rope_theta": 10000.5')
    assert changed != text
    (path / "config.json").write_text(changed)
    with pytest.raises(SealError, match=r"config\.json: was changed .* pentanet pack --reseal"):
        opened(path)


def test_a_flipped_weight_is_refused(make):
    path = make(**SMALL)
    file = path / "model.safetensors"
    data = bytearray(file.read_bytes())
    data[-3] ^= 1
    file.write_bytes(data)
    with pytest.raises(ChecksumError, match="differs from its sha256"):
        opened(path)


def test_weights_of_another_file_are_refused(make):
    """Nobody checked what is in it."""
    path = make(**SMALL)
    shutil.copy(path / "model.safetensors", path / "model.other.safetensors")
    with pytest.raises(ModelConfigError, match=r"model\.other\.safetensors: the weights of a packed model are in"):
        opened(path, variant="other")


def test_saving_seals(make, tmp_path):
    """The model first, then its tokenizer, as transformers' own examples do it; and again into the same directory."""
    path, out = make(**SMALL), tmp_path / "out"
    model = opened(path)
    model.save_pretrained(out)
    assert list(open_model(out).tensor_file.header.seal) == ["config.json", "generation_config.json"]
    transformers.AutoTokenizer.from_pretrained(path).save_pretrained(out)
    assert inspect(out).unsealed == ("tokenizer.json", "tokenizer_config.json")
    opened(out).save_pretrained(out)
    assert (inspect(out).sealed, inspect(out).unsealed) == (True, ())
    transformers.AutoTokenizer.from_pretrained(out).save_pretrained(out)
    open_model(out)
    generation = json.loads((out / "generation_config.json").read_text())
    (out / "generation_config.json").write_text(json.dumps({**generation, "eos_token_id": 5}))
    with pytest.raises(SealError, match=r"generation_config\.json: was changed"):
        opened(out)


def test_where_a_model_was_loaded_from_is_not_written_down(make, tmp_path):
    opened(make(**SMALL)).save_pretrained(tmp_path / "out")
    assert str(tmp_path) not in (tmp_path / "out" / "config.json").read_text()


def test_an_open_model_saves_into_its_own_directory(make):
    path = make(**SMALL)
    model = opened(path)
    before = model(torch.tensor([[1, 2, 3]])).logits
    model.save_pretrained(path)
    assert inspect(path).unsealed == ()
    assert torch.equal(opened(path)(torch.tensor([[1, 2, 3]])).logits, before)

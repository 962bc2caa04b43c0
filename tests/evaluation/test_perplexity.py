"""Measuring a packed model."""

from __future__ import annotations

import json
import math
import shutil
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
import torch
import torch.nn.functional as F
from edits import edit_config
from tokenizers import Tokenizer, processors

from pentanet.data.dataset import Dataset
from pentanet.data.prepare import prepare
from pentanet.errors import DataError, TokenizerMismatchError
from pentanet.evaluation.perplexity import evaluate, text_of
from pentanet.machine import multiplies_bfloat16
from pentanet.runtime.load import Runtime, load
from pentanet.training.config import TrainConfig
from pentanet.training.pack import pack
from pentanet.training.run import train


@pytest.fixture(scope="module")
def model(tmp_path_factory: pytest.TempPathFactory, configure: Callable[..., TrainConfig], tiny: Dataset) -> Path:
    folder = tmp_path_factory.mktemp("evaluate")
    train(configure("llama", "steps=2", 'data.source="bible"', "data.eos=line"), folder / "run", tiny)
    pack(folder / "run", folder / "model")
    return folder / "model"


@pytest.fixture
def runtime(model: Path) -> Runtime:
    return load(model)


@pytest.mark.parametrize("split", ["valid", "test"])
def test_the_loss_by_hand(runtime: Runtime, tiny: Dataset, split: str) -> None:
    told: list[int] = []
    found = evaluate(runtime, tiny, split, progress=told.append)
    tokens = torch.from_numpy(tiny.split(split).tokens.astype(np.int64))
    total = 0.0
    for start in range(0, len(tokens) - 1, 16):
        y = tokens[start + 1 : start + 17]
        with torch.inference_mode():
            logits = runtime.network(tokens[None, start : start + len(y)])[0]
        total += F.cross_entropy(logits.double(), y, reduction="sum").item()
    count = len(tokens) - 1
    assert found.tokens == count == told[-1]
    assert found.loss == pytest.approx(total / count, rel=1e-5)
    assert found.perplexity == pytest.approx(math.exp(found.loss))
    assert found.bits_per_byte == pytest.approx(found.loss / math.log(2) * len(tokens) / tiny.bytes(split))
    assert (found.data, found.split, found.context, found.precision) == (tiny.name, split, 16, "float32")
    assert json.loads(json.dumps(found.to_dict()))["loss"] == found.loss


def test_measuring_twice_is_measuring_once(runtime: Runtime, tiny: Dataset) -> None:
    assert evaluate(runtime, tiny).loss == evaluate(runtime, tiny).loss
    assert evaluate(runtime, tiny, precision="bfloat16").loss != evaluate(runtime, tiny).loss


def test_tokens_of_another_tokenizer(runtime: Runtime, tmp_path: Path) -> None:
    text = tmp_path / "text.txt"
    text.write_text("".join(f"quite other words, {i} of them\n" for i in range(300)), encoding="utf-8")
    other = prepare(text, tmp_path / "set", tokenizer="bpe:270")
    with pytest.raises(TokenizerMismatchError, match="another tokenizer"):
        evaluate(runtime, other)


def test_a_loss_beyond_floats_has_a_perplexity(
    runtime: Runtime, tiny: Dataset, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("pentanet.evaluation.perplexity.mean_loss", lambda *_: (1e6, 10))
    assert evaluate(runtime, tiny).perplexity == math.exp(700)


def test_what_is_measured_by_default_is_what_it_was_trained_on(runtime: Runtime, model: Path, tmp_path: Path) -> None:
    products = "bfloat16" if multiplies_bfloat16() else "float32"
    assert text_of(runtime, "", "", "auto") == ("bible", "line", products)
    assert text_of(runtime, "other.txt", "none", "float32") == ("other.txt", "none", "float32")
    bare = Path(shutil.copytree(model, tmp_path / "bare"))
    for nothing in (None, "bible", {}, {"source": 5}, {"source": ""}):
        edit_config(bare, training_data=nothing)
        with pytest.raises(DataError, match="does not say what it was trained on; name a text with --text"):
            text_of(load(bare), "", "", "auto")
        assert text_of(load(bare), "mine.txt", "", "float32") == ("mine.txt", "document", "float32")


def test_windows_begin_with_the_bos_of_the_template(runtime: Runtime, tiny: Dataset) -> None:
    tokenizer = Tokenizer.from_str(tiny.tokenizer.to_str())
    name = tokenizer.id_to_token(0)
    tokenizer.post_processor = processors.TemplateProcessing(single=f"{name} $A", special_tokens=[(name, 0)])
    begun = replace(runtime, tokenizer=tokenizer)
    tokens = torch.from_numpy(tiny.split("valid").tokens.astype(np.int64))
    total = 0.0
    for start in range(0, len(tokens) - 1, 15):
        y = tokens[start + 1 : start + 16]
        with torch.inference_mode():
            logits = runtime.network(torch.cat([torch.tensor([0]), tokens[start : start + len(y)]])[None])[0, 1:]
        total += F.cross_entropy(logits.double(), y, reduction="sum").item()
    found = evaluate(begun, tiny)
    assert found.loss == pytest.approx(total / (len(tokens) - 1), rel=1e-5)
    assert (found.tokens, found.context, found.start) == (len(tokens) - 1, 16, (0,))
    plain = evaluate(begun, tiny, bos=False)
    assert (plain.loss, plain.start) == (evaluate(runtime, tiny).loss, ())

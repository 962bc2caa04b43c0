"""Weights of numbers that float32 cannot hold: an error by name, in both engines, whatever rounds or hides them."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest

from pentanet.data.dataset import Dataset
from pentanet.errors import NonFiniteActivationError, NonFiniteWeightError
from pentanet.evaluation.perplexity import evaluate
from pentanet.format.model_dir import open_model, write_model
from pentanet.format.packed_model import PackedModel
from pentanet.format.tensors import Coded, CodedSpec, Plain, Tensor
from pentanet.kernels import native
from pentanet.runtime.engine import CACHES, CacheType, Engine
from pentanet.runtime.engine_network import as_runtime
from pentanet.runtime.load import load

needs_engine = pytest.mark.skipif(not native.available(), reason="the engine was not compiled")
Copy = Callable[[str], Path]
GAIN = "model.layers.0.input_layernorm.weight"


def tensor(model: PackedModel, name: str) -> Tensor:
    spec = model.spec(name)
    return (
        Coded(model.codes(name), spec.layout) if isinstance(spec, CodedSpec) else Plain(model.plain(name), spec.dtype)
    )


def change(path: Path, name: str, value: float) -> Path:
    """Write the model once more, with another first value of a plain tensor and all checksums right."""
    model = open_model(path)
    config = {key: value for key, value in model.config.items() if key != "quantization_config"}
    tensors = {one: tensor(model, one) for one in model.names}
    changed = model.plain(name).copy()
    changed.reshape(-1)[0] = value
    tensors[name] = Plain(changed, "float32" if model.spec(name).storage == "float32" else "bfloat16")
    token = model.tokenizer_path
    assert token is not None
    content = token.read_bytes()
    write_model(path, config=config, tensors=tensors, method=model.method, tokenizer=content, card="", overwrite=True)
    return path


@pytest.mark.parametrize("bad", [np.nan, np.inf, -np.inf])
@pytest.mark.parametrize("verify", [True, False])
def test_plain_values_are_looked_at_when_a_model_is_opened(
    copy: Copy, monkeypatch: pytest.MonkeyPatch, bad: float, *, verify: bool
) -> None:
    monkeypatch.setattr(Plain, "check", lambda self, name: None)  # of a writer that does not look
    path = change(copy("llama"), GAIN, bad)
    with pytest.raises(NonFiniteWeightError, match=rf"model.safetensors: {GAIN}': value 0 is not finite"):
        load(path, verify=verify)
    if native.available():
        with pytest.raises(NonFiniteWeightError, match=GAIN):
            Engine.open(path, verify=verify)


def test_the_writer_refuses_what_no_reader_takes(copy: Copy) -> None:
    path = copy("llama")
    with pytest.raises(NonFiniteWeightError, match=GAIN):
        change(path, GAIN, np.nan)
    load(path)


@needs_engine
@pytest.mark.parametrize("cache", CACHES)
def test_activations_that_overflow_are_an_error_of_the_engine(copy: Copy, cache: CacheType) -> None:
    ids = list(range(8))
    good = Engine.open(copy("llama"), cache=cache, threads=2)
    before = good.logits(ids)
    engine = Engine.open(change(good.packed.path, GAIN, 3e38), cache=cache, threads=2)
    for _ in range(2):  # and it is none that passes
        with pytest.raises(NonFiniteActivationError, match="NaN or infinite"):
            engine.logits(ids)
    with pytest.raises(NonFiniteActivationError):
        list(engine.generate_batch(["the cat", "a mat"], 3))
    np.testing.assert_array_equal(good.logits(ids), before)


def test_a_loss_that_is_none_is_an_error(copy: Copy, tiny: Dataset) -> None:
    path = change(copy("llama"), GAIN, 3e38)
    runtime = load(path)
    with pytest.raises(NonFiniteActivationError, match=f"{path}: the loss on .* is nan"):
        evaluate(runtime, tiny, limit=64)
    with pytest.raises(NonFiniteActivationError, match=str(path)):
        runtime.next_logits([1, 2, 3])
    if native.available():
        with pytest.raises(NonFiniteActivationError):
            evaluate(as_runtime(Engine.open(path)), tiny, limit=64)

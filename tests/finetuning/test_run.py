"""A finetuned model comes closer to its original, and the file holds what was trained, bit for bit."""

from __future__ import annotations

import hashlib
import signal

import pytest
import torch

from pentanet.errors import ConfigError, NonFiniteLossError, ShapeError, TextTooShortError, WriteError
from pentanet.families.tensor_table import linear_names
from pentanet.finetuning import run as module
from pentanet.finetuning.config import FinetuneConfig
from pentanet.finetuning.run import finetune
from pentanet.finetuning.student import new_student
from pentanet.format.model_dir import open_model
from pentanet.ptq import run
from pentanet.ptq.config import QuantizeConfig
from pentanet.quant.level import LevelQuantizer
from pentanet.runtime.load import load
from pentanet.sources.float_network import load_float
from pentanet.sources.open import open_source
from pentanet.training.run import Interrupted

IDS = torch.randint(0, 270, (400,), generator=torch.Generator().manual_seed(0)).tolist()
SHORT = FinetuneConfig(steps=12, batch=4, window=24, lr=1e-2, weight_lr=5e-2)
PROBE = torch.tensor([IDS[:40]])


@pytest.fixture
def quantized(make, tmp_path):
    """A source and a pentanary model of it."""
    source = open_source(make("qwen3"))
    run.quantize(source, tmp_path / "q", QuantizeConfig(group=16))
    return source, tmp_path / "q"


def distance(network, source):
    with torch.no_grad():
        wanted = load_float(source)(PROBE).log_softmax(-1)
        return float((wanted.exp() * (wanted - network(PROBE).log_softmax(-1))).sum(-1).mean())


def digest(folder):
    return hashlib.sha256((folder / "model.safetensors").read_bytes()).hexdigest()


def test_the_student_starts_as_the_quantized_model(quantized):
    source, model = quantized
    student = new_student(open_model(model), source)
    with torch.no_grad():
        torch.testing.assert_close(student(PROBE), load(model).network(PROBE), rtol=1e-4, atol=1e-4)
    learned = {name for name, p in student.named_parameters() if p.requires_grad}
    assert "model.embed_tokens.weight" not in learned
    assert {"model.norm.weight", "model.layers.1.mlp.down_proj.weight"} <= learned
    assert "model.layers.1.mlp.down_proj.quantizer.log_step" in learned


def test_it_comes_closer_to_the_original_and_repeats(quantized, tmp_path):
    source, model = quantized
    shares = []
    made = finetune(model, source, IDS, tmp_path / "a", SHORT, progress=lambda step, share, loss: shares.append(share))
    assert distance(load(tmp_path / "a").network, source) < 0.9 * distance(load(model).network, source)
    assert made["last_loss"] < made["first_loss"]
    assert (made["steps"], made["tokens"], shares[-1]) == (12, 12 * 4 * 24, 1.0)
    finetune(model, source, IDS, tmp_path / "b", SHORT)
    assert digest(tmp_path / "a") == digest(tmp_path / "b") != digest(model)
    before, after = open_model(model), open_model(tmp_path / "a")
    assert before.specs == after.specs
    assert before.config == after.config


def test_levels_stay_where_their_rate_is_zero(quantized, tmp_path):
    source, model = quantized
    finetune(model, source, IDS, tmp_path / "a", FinetuneConfig(steps=12, batch=4, window=24, lr=3e-3, weight_lr=0.0))
    before, after = open_model(model), open_model(tmp_path / "a")
    for name in linear_names(source.config, source.vocab):
        assert (before.codes(name).levels == after.codes(name).levels).all()
        assert (before.codes(name).scales != after.codes(name).scales).any()
    assert distance(load(tmp_path / "a").network, source) < 0.95 * distance(load(model).network, source)


def test_biases_are_trained_and_written(make, tmp_path):
    source = open_source(make("gpt2"))
    run.quantize(source, tmp_path / "q", QuantizeConfig(group=16))
    finetune(tmp_path / "q", source, IDS, tmp_path / "a", SHORT)
    before, after = (distance(load(tmp_path / name).network, source) for name in "qa")
    assert after < 0.9 * before
    name = "transformer.h.0.mlp.c_fc.weight"
    assert (open_model(tmp_path / "q").codes(name).bias != open_model(tmp_path / "a").codes(name).bias).all()


def test_a_small_step_moves_no_level(quantized):
    """Weights stand in the middle of their levels, also of those that calibration chose far from the original."""
    source, model = quantized
    packed = open_model(model)
    student = new_student(packed, source)
    for name in linear_names(source.config, source.vocab):
        module = student.get_submodule(name.removesuffix(".weight"))
        with torch.no_grad():
            module.weight += 0.4
        assert torch.equal(module.used_weight(), torch.from_numpy(packed.codes(name).dequantize()))


def test_a_step_learns_from_its_levels(quantized):
    """The gradient of a scale is that of the weights that it makes."""
    source, model = quantized
    packed = open_model(model)
    name = "model.layers.0.mlp.up_proj"
    module, codes = new_student(packed, source).get_submodule(name), packed.codes(f"{name}.weight")
    gradient = torch.randn(codes.shape, generator=torch.Generator().manual_seed(0))
    (module.used_weight() * gradient).sum().backward()
    used = torch.from_numpy(codes.dequantize())
    expected = (used * gradient).view(*codes.scales.shape, -1).sum(-1)
    torch.testing.assert_close(module.quantizer.log_step.grad[:, :, 0], expected)


def test_the_file_holds_what_was_trained(quantized, tmp_path, monkeypatch):
    source, model = quantized
    kept = []
    monkeypatch.setattr(module, "new_student", lambda *args: kept.append(new_student(*args)) or kept[0])
    finetune(model, source, IDS, tmp_path / "a", SHORT)
    network = load(tmp_path / "a").network
    for name, part in kept[0].named_modules():
        if isinstance(getattr(part, "quantizer", None), LevelQuantizer):
            assert torch.equal(part.used_weight(), network.get_submodule(name).matrix.all()), name


@pytest.mark.parametrize("how", ["signal", "crash"])
def test_a_stopped_run_goes_on_and_gives_the_same_file(quantized, tmp_path, monkeypatch, how):
    """Asked to stop it saves; a process that is killed has what it saved before."""
    source, model = quantized
    whole = finetune(model, source, IDS, tmp_path / "whole", SHORT)
    steps = []

    def stop(step, share, loss):
        steps.append(step)
        if step == 5 and how == "signal":
            signal.raise_signal(signal.SIGINT)
        if step == 5 and how == "crash":
            raise RuntimeError("killed")

    if how == "crash":
        monkeypatch.setattr("pentanet.finetuning.tuning.SAVE_SECONDS", 0.0)
    with pytest.raises(Interrupted if how == "signal" else RuntimeError):
        finetune(model, source, IDS, tmp_path / "a", SHORT, progress=stop)
    assert not (tmp_path / "a").exists()
    with pytest.raises(WriteError, match="other settings"):
        finetune(model, source, IDS, tmp_path / "a", FinetuneConfig(steps=9, batch=4, window=24, lr=3e-3))
    made = finetune(model, source, IDS, tmp_path / "a", SHORT, progress=lambda step, share, loss: steps.append(step))
    assert steps == list(range(1, 13))
    assert digest(tmp_path / "a") == digest(tmp_path / "whole")
    assert (made["first_loss"], made["last_loss"]) == (whole["first_loss"], whole["last_loss"])
    assert not (tmp_path / "a.unfinished").exists()


def test_minutes_end_a_run(quantized, tmp_path):
    source, model = quantized
    made = finetune(model, source, IDS, tmp_path / "a", FinetuneConfig(steps=10**6, minutes=0.001, window=8))
    assert 1 <= made["steps"] < 10**4


def test_what_cannot_be_finetuned(quantized, make, tmp_path):
    source, model = quantized
    with pytest.raises(TextTooShortError, match="25"):
        finetune(model, source, IDS[:24], tmp_path / "a", SHORT)
    with pytest.raises(WriteError):
        finetune(model, source, IDS, model, SHORT)
    with pytest.raises(ShapeError, match="original"):
        finetune(model, open_source(make("llama3")), IDS, tmp_path / "a", SHORT)
    with pytest.raises(ShapeError, match="original"):
        finetune(model, open_source(make("gpt2")), IDS, tmp_path / "a", SHORT)
    with pytest.raises(NonFiniteLossError, match="--lr"):
        finetune(model, source, IDS, tmp_path / "a", FinetuneConfig(steps=9, batch=1, window=8, lr=1e30))
    run.quantize(source, tmp_path / "p", QuantizeConfig(method="ptqtp", group=16))
    with pytest.raises(ConfigError, match="planes"):
        finetune(tmp_path / "p", source, IDS, tmp_path / "a", SHORT)
    assert not (tmp_path / "a").exists()


@pytest.mark.parametrize("settings", [{"steps": 0}, {"window": 0}, {"minutes": -1.0}, {"lr": 0.0}, {"weight_lr": -1.0}])
def test_settings_that_cannot_work(settings):
    with pytest.raises(ConfigError):
        FinetuneConfig(**settings)

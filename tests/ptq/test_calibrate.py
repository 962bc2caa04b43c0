"""The moments that a matrix gets are those of the whole network's activations; calibrated runs end and go on alike."""

from __future__ import annotations

import hashlib

import pytest
import torch
from safetensors.torch import save_file

from pentanet.errors import DataError, TextTooShortError, TokenizerMismatchError
from pentanet.families.tensor_table import linear_names
from pentanet.grid import PENTANARY
from pentanet.ptq import run
from pentanet.ptq.calibrate import Calibration, windows_of
from pentanet.ptq.config import QuantizeConfig
from pentanet.ptq.gptq import damped
from pentanet.ptq.mixed_text import CalibrationText
from pentanet.ptq.quantize_matrix import corrected, quantize_matrix
from pentanet.ptq.workers import Workers
from pentanet.runtime.load import load
from pentanet.sources.float_network import load_float
from pentanet.sources.open import open_source

IDS = torch.randint(0, 270, (6, 24), generator=torch.Generator().manual_seed(0))
SEEN = CalibrationText(windows=IDS, name="drawn")


@pytest.fixture(autouse=True)
def exact(monkeypatch):
    monkeypatch.setattr("pentanet.nn.precision.multiplies_bfloat16", lambda: False)


def inputs_of(network, ids):
    """What each linear of the blocks sees [tokens, c], and the logits."""
    seen = {}
    for name, module in network.named_modules():
        if f"{name}.weight" in names(network):
            module.register_forward_pre_hook(lambda m, x, n=f"{name}.weight": seen.__setitem__(n, x[0].flatten(0, 1)))
    with torch.no_grad():
        network(ids)
    return seen


def names(network):
    return set(linear_names(network.config, network.vocab))


@pytest.mark.parametrize("family", ["llama3", "qwen3", "gpt2"])
def test_moments_are_those_of_both_networks(make, family):
    source = open_source(make(family))
    moments = {}

    def coarse(name, weight, found):
        moments[name] = found
        return (weight * 8).round() / 8

    calibration = Calibration(source, IDS)
    for layer in range(2):
        calibration.advance(layer, coarse, Workers(1))
    original, rounded = load_float(source), load_float(source)
    with torch.no_grad():
        for name, parameter in rounded.named_parameters():
            if name in names(rounded):
                parameter.copy_((parameter * 8).round() / 8)
    before, after = inputs_of(original, IDS), inputs_of(rounded, IDS)
    assert list(moments) == linear_names(source.config, source.vocab)
    for name, found in moments.items():
        x, other = after[name], before[name]
        torch.testing.assert_close(found.hessian, x.t() @ x / len(x), rtol=1e-3, atol=1e-4)
        torch.testing.assert_close(found.cross, other.t() @ x / len(x), rtol=1e-3, atol=1e-4)
        assert (found.residual_error is not None) == name.endswith(
            ("o_proj.weight", "down_proj.weight", "c_proj.weight")
        )


def test_the_correction_is_least_squares(make):
    """With little damping, the corrected weight gives the original's outputs as well as any weight can."""
    random = torch.Generator().manual_seed(1)
    x = torch.randn(500, 16, generator=random)
    seen = x + 0.3 * torch.randn(500, 16, generator=random) + 0.2
    weight, e = torch.randn(8, 16, generator=random), torch.randn(500, 8, generator=random)
    from pentanet.ptq.calibrate import Moments

    moments = Moments(hessian=seen.t() @ seen / 500, cross=x.t() @ seen / 500, residual_error=e.t() @ seen / 500)
    found = corrected(weight, moments, damped(moments.hessian, 1e-7))
    best = torch.linalg.lstsq(seen, x @ weight.t() + e).solution.t()
    torch.testing.assert_close(found, best, rtol=1e-3, atol=1e-3)
    same = Moments(hessian=moments.hessian, cross=moments.hessian)
    torch.testing.assert_close(corrected(weight, same, damped(same.hessian, 0.1)), weight, rtol=1e-4, atol=1e-4)
    plain, _ = quantize_matrix(weight, same, PENTANARY, QuantizeConfig(method="gptq", group=8))
    assert plain.levels.shape == (8, 16)


def loss(network, ids):
    with torch.no_grad():
        return float(torch.nn.functional.cross_entropy(network(ids[:, :-1]).flatten(0, 1), ids[:, 1:].flatten()))


@pytest.mark.parametrize("family", ["llama", "gpt2"])
def test_calibrated_methods_come_closer_to_the_original(make, tmp_path, family):
    source = open_source(make(family))
    distance = {}
    with torch.no_grad():
        wanted = load_float(source)(IDS)
        for method in ("rtn", "gptq", "refine"):
            config = QuantizeConfig(method=method, group=16, embedding="float32")
            made = run.quantize(source, tmp_path / method, config, calibration=SEEN)
            distance[method] = float((load(tmp_path / method).network(IDS) - wanted).square().mean())
            assert all((layer["output_error"] is None) == (method == "rtn") for layer in made.layers)
    assert distance["gptq"] < 0.9 * distance["rtn"]
    assert distance["refine"] < 0.9 * distance["gptq"]


def test_a_stopped_run_goes_on_and_gives_the_same_file(make, tmp_path):
    source, config = open_source(make()), QuantizeConfig(method="refine", group=16)

    def stop(stage, done, total):
        raise KeyboardInterrupt

    run.quantize(source, tmp_path / "whole", config, calibration=SEEN)
    with pytest.raises(KeyboardInterrupt):
        run.quantize(source, tmp_path / "out", config, calibration=SEEN, progress=stop)
    run.quantize(source, tmp_path / "out", config, calibration=SEEN)
    files = [tmp_path / name / "model.safetensors" for name in ("whole", "out")]
    assert len({hashlib.sha256(file.read_bytes()).hexdigest() for file in files}) == 1


def test_only_calibrated_methods_look_at_the_text(make, tmp_path):
    source, found = open_source(make()), {}
    for method in ("rtn", "ptqtp", "gptq", "refine"):
        out = tmp_path / method
        found[method] = run.quantize(source, out, QuantizeConfig(method=method), calibration=SEEN).calibration
        assert ("| Calibrated on | drawn |" in (out / "README.md").read_text()) == (found[method] is not None)
    assert found["rtn"] is found["ptqtp"] is None
    digest = hashlib.sha256(IDS.numpy().tobytes()).hexdigest()
    assert found["gptq"] == found["refine"] == {"text": "drawn", "windows": 6, "window": 24, "sha256": digest}


def test_windows():
    assert windows_of(list(range(10)), 4, 3, "text").tolist() == [[0, 1, 2, 3], [6, 7, 8, 9]]
    assert windows_of(list(range(12)), 4, 2, "text")[:, 0].tolist() == [0, 8]
    with pytest.raises(TextTooShortError, match=r"text: 3 tokens.*window of 4"):
        windows_of([1, 2, 3], 4, 3, "text")


def test_tokens_of_another_model(make):
    with pytest.raises(TokenizerMismatchError, match="270"):
        Calibration(open_source(make()), torch.tensor([[1, 270]]))


@pytest.mark.parametrize("method", ["gptq", "refine"])
def test_a_matrix_of_zeros_loses_nothing(make, tmp_path, method, configs, weights_of):
    folder, name = make(), "model.layers.0.mlp.up_proj.weight"
    save_file({**weights_of(configs["llama"]), name: torch.zeros(48, 32)}, folder / "model.safetensors")
    made = run.quantize(open_source(folder), tmp_path / "q", QuantizeConfig(method=method), calibration=SEEN)
    (layer,) = [layer for layer in made.layers if layer["name"] == name]
    assert layer["weight_error"] == layer["output_error"] == 0


@pytest.mark.parametrize("method", ["gptq", "refine"])
def test_activations_that_are_too_large(make, tmp_path, method, configs, weights_of):
    folder, name = make(), "model.layers.1.input_layernorm.weight"
    weights = weights_of(configs["llama"])
    save_file({**weights, name: weights[name] * 1e30}, folder / "model.safetensors")
    with pytest.raises(DataError, match=r"self_attn\.q_proj in layer 1"):
        run.quantize(open_source(folder), tmp_path / "q", QuantizeConfig(method=method), calibration=SEEN)

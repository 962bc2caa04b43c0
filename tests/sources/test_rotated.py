"""A rotated network computes the same, piece by piece as it is read, and rounding it loses less."""

from __future__ import annotations

import hypothesis.strategies as st
import pytest
import torch
from hypothesis import given
from safetensors.torch import load_file, save_file

from pentanet.errors import UnsupportedArchitectureError
from pentanet.finetuning.config import FinetuneConfig
from pentanet.finetuning.run import finetune
from pentanet.format.model_dir import open_model
from pentanet.ptq.config import QuantizeConfig
from pentanet.ptq.run import quantize
from pentanet.runtime.load import load
from pentanet.sources.float_network import load_float
from pentanet.sources.open import open_source
from pentanet.sources.rotated import RotatedSource, mixing

IDS = torch.randint(0, 270, (400,), generator=torch.Generator().manual_seed(0)).tolist()
PROBE = torch.tensor([IDS[:40]])


@given(size=st.integers(1, 200))
def test_the_matrix_is_orthogonal_and_mixes_everything(size):
    matrix = mixing(size)
    torch.testing.assert_close(matrix @ matrix.t(), torch.eye(size, dtype=torch.float64), rtol=0, atol=1e-12)
    assert matrix.abs().min() > 1e-6 / size
    assert torch.equal(matrix, mixing(size))


@pytest.mark.parametrize("family", ["llama", "llama3", "qwen3"])
def test_the_rotated_network_computes_the_same(make, family):
    source = open_source(make(family))
    rotated = RotatedSource(source)
    with torch.no_grad():
        torch.testing.assert_close(load_float(rotated)(PROBE), load_float(source)(PROBE), rtol=1e-4, atol=1e-4)
    name = "model.layers.1.mlp.up_proj.weight"
    assert not torch.allclose(rotated.tensor(name), source.tensor(name), atol=0.05)


@pytest.mark.parametrize("kind", ["qwen2", "llama"])
def test_biases_turn_with_what_they_are_added_to(make, kind):
    changes = {"qwen2": {"architectures": ["Qwen2ForCausalLM"]}, "llama": {"attention_bias": True, "mlp_bias": True}}
    folder = make("llama", model_type=kind, **changes[kind])
    weights = load_file(folder / "model.safetensors")
    biased = ("q_proj.weight", "k_proj.weight", "v_proj.weight") if kind == "qwen2" else ("_proj.weight",)
    for name in [n for n in weights if n.endswith(biased)]:
        weights[name.replace("weight", "bias")] = torch.randn(len(weights[name]))
    save_file(weights, folder / "model.safetensors")
    source = open_source(folder)
    with torch.no_grad():
        torch.testing.assert_close(
            load_float(RotatedSource(source))(PROBE), load_float(source)(PROBE), rtol=1e-4, atol=1e-4
        )


def test_blocks_of_rows_are_the_rows_of_the_tensor(make):
    rotated = RotatedSource(open_source(make("qwen3")))
    for name, shape in rotated.shapes.items():
        whole = rotated.tensor(name)
        assert whole.shape == shape
        torch.testing.assert_close(torch.cat(list(rotated.row_blocks(name, 5))), whole, rtol=1e-5, atol=1e-6)
        torch.testing.assert_close(rotated.rows(name, 3, 9), whole[3:9], rtol=1e-5, atol=1e-6)


def test_a_layer_norm_cannot_be_rotated(make):
    with pytest.raises(UnsupportedArchitectureError, match="leave --rotate out"):
        RotatedSource(open_source(make("gpt2")))


def test_outliers_cost_less(make, tmp_path):
    """Each row has a weight that is thirty times as large, for an input that is as much smaller."""
    folder = make("llama")
    weights = load_file(folder / "model.safetensors")
    for name, weight in weights.items():
        if name.endswith(("q_proj.weight", "k_proj.weight", "v_proj.weight", "gate_proj.weight", "up_proj.weight")):
            weight[:, 3] *= 30
        elif name.endswith("layernorm.weight"):
            weight[3] /= 30
    save_file(weights, folder / "model.safetensors")
    source = open_source(folder)
    for rotate in (False, True):
        quantize(source, tmp_path / f"{rotate}", QuantizeConfig(grid="int4", group=0, rotate=rotate))
    assert _loss(tmp_path / "True", source) < 0.5 * _loss(tmp_path / "False", source)


def _loss(model, source):
    with torch.no_grad():
        wanted = load_float(source)(PROBE).log_softmax(-1)
        return float((wanted.exp() * (wanted - load(model).network(PROBE).log_softmax(-1))).sum(-1).mean())


def test_a_rotated_model_learns_from_its_original(make, tmp_path):
    source = open_source(make("qwen3"))
    quantize(source, tmp_path / "q", QuantizeConfig(group=16, rotate=True))
    config = FinetuneConfig(steps=12, batch=4, window=24, lr=1e-2, weight_lr=5e-2)
    finetune(tmp_path / "q", source, IDS, tmp_path / "t", config)
    assert _loss(tmp_path / "t", source) < 0.9 * _loss(tmp_path / "q", source)
    assert open_model(tmp_path / "t").config == open_model(tmp_path / "q").config

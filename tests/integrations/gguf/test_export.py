"""An exported file holds the weights of the directory, bit for bit, in llama.cpp's places."""

from __future__ import annotations

import json
from pathlib import Path

import numpy as np
import pytest

from pentanet import atomic
from pentanet.errors import ExportError, UnconfirmedWriteError, WriteError
from pentanet.format.model_dir import open_model
from pentanet.integrations.gguf.export import export

gguf = pytest.importorskip("gguf")


def read(path: Path) -> tuple[dict[str, np.ndarray], dict[str, str], dict[str, object]]:
    """Weights, types and fields, as the gguf package sees them."""
    reader = gguf.GGUFReader(path)
    weights = {t.name: gguf.quants.dequantize(t.data, t.tensor_type) for t in reader.tensors}
    return (
        weights,
        {t.name: t.tensor_type.name for t in reader.tensors},
        {key: field.contents() for key, field in reader.fields.items()},
    )


def rotated_pairs(weight: np.ndarray, heads: int) -> np.ndarray:
    """llama.cpp's order of the rows of a query or key projection, as its converter writes it."""
    return weight.reshape(heads, 2, len(weight) // heads // 2, -1).swapaxes(1, 2).reshape(weight.shape)


@pytest.mark.parametrize(
    ("method", "ternary", "kind"),
    [("pentanary", "TQ2_0", "Q3_K"), ("ternary", "TQ2_0", "TQ2_0"), ("ternary", "TQ1_0", "TQ1_0")],
)
def test_every_weight_is_bit_equal(make, tmp_path, method, ternary, kind):
    model = make(method=method)
    done = export(model, tmp_path / "out.gguf", ternary=ternary)
    weights, types, fields = read(tmp_path / "out.gguf")
    packed = open_model(model)

    def ours(name: str) -> np.ndarray:
        return packed.codes(f"{name}.weight").dequantize()

    layer = "model.layers.1"
    pairs = {
        "token_embd": ours("model.embed_tokens"),
        "output": ours("lm_head"),
        "blk.1.attn_q": rotated_pairs(ours(f"{layer}.self_attn.q_proj"), 4),
        "blk.1.attn_k": rotated_pairs(ours(f"{layer}.self_attn.k_proj"), 2),
        "blk.1.attn_v": ours(f"{layer}.self_attn.v_proj"),
        "blk.1.attn_output": ours(f"{layer}.self_attn.o_proj"),
        "blk.1.ffn_gate": ours(f"{layer}.mlp.gate_proj"),
        "blk.1.ffn_up": ours(f"{layer}.mlp.up_proj"),
        "blk.1.ffn_down": ours(f"{layer}.mlp.down_proj"),
    }
    for name, expected in pairs.items():
        np.testing.assert_array_equal(weights[f"{name}.weight"], expected)
        assert types[f"{name}.weight"] == ("Q8_0" if name in ("token_embd", "output") else kind)
    np.testing.assert_array_equal(weights["output_norm.weight"], packed.plain("model.norm.weight"))
    assert len(weights) == len(packed.names)
    assert done.largest_scale_error == 0
    assert done.bytes == (tmp_path / "out.gguf").stat().st_size
    assert fields["tokenizer.ggml.pre"] == "gpt-2"
    assert fields["llama.attention.head_count_kv"] == 2


def test_scales_that_float16_lacks_are_rounded_and_said_to_be(make, tmp_path):
    done = export(make(half=False), tmp_path / "out.gguf")
    assert 0 < done.largest_scale_error <= 2**-11


@pytest.mark.parametrize(("width", "kind"), [(96, "Q4_0"), (88, "F32")])
def test_narrow_matrices_go_into_smaller_blocks_or_float32(make, tmp_path, width, kind):
    model = make(width=width, heads=2, kv_heads=2, hidden=width)
    export(model, tmp_path / "out.gguf")
    weights, types, _ = read(tmp_path / "out.gguf")
    assert types["blk.0.ffn_up.weight"] == kind
    expected = open_model(model).codes("model.layers.0.mlp.up_proj.weight").dequantize()
    np.testing.assert_array_equal(weights["blk.0.ffn_up.weight"], expected)


def test_plain_storage_and_a_shared_head(make, tmp_path):
    model = make(embedding="bfloat16", head="bfloat16", tie=True, method="full-precision")
    export(model, tmp_path / "out.gguf")
    weights, types, _ = read(tmp_path / "out.gguf")
    assert "output.weight" not in weights
    assert types["token_embd.weight"] == "BF16"
    np.testing.assert_array_equal(weights["token_embd.weight"], open_model(model).plain("model.embed_tokens.weight"))
    expected = rotated_pairs(open_model(model).plain("model.layers.0.self_attn.q_proj.weight"), 4)
    np.testing.assert_array_equal(weights["blk.0.attn_q.weight"], expected)


def test_qwen3_keeps_the_order_of_its_rows_and_has_norms_of_heads(make, tmp_path):
    model = make(qk_norm=True)
    assert export(model, tmp_path / "out.gguf").architecture == "qwen3"
    weights, _, _ = read(tmp_path / "out.gguf")
    expected = open_model(model).codes("model.layers.0.self_attn.q_proj.weight").dequantize()
    np.testing.assert_array_equal(weights["blk.0.attn_q.weight"], expected)
    assert weights["blk.0.attn_q_norm.weight"].shape == (64,)


def test_a_bias_goes_along_in_the_order_of_its_rows(make, tmp_path):
    model = make(method="tequila")
    export(model, tmp_path / "out.gguf")
    weights, types, _ = read(tmp_path / "out.gguf")
    codes = open_model(model).codes("model.layers.0.self_attn.q_proj.weight")
    np.testing.assert_array_equal(weights["blk.0.attn_q.bias"], rotated_pairs(codes.bias[:, None], 4)[:, 0])
    assert types["blk.0.attn_q.weight"] == "Q4_0"  # groups of 128 inputs: each block of 32 has its own scale


def test_llama3_frequencies_are_divided_as_written(make, tmp_path):
    from pentanet.families.rope import Llama3Rope

    rope = Llama3Rope(factor=4.0, original_max_position_embeddings=32)
    export(make(rope=rope), tmp_path / "out.gguf")
    factors = read(tmp_path / "out.gguf")[0]["rope_freqs.weight"]
    # Frequency 1 turns 32 / 2 pi = 5.1 times, and is kept; the lowest does not turn once, and is divided.
    assert factors[0] == pytest.approx(1)
    assert factors[-1] == pytest.approx(4)
    assert factors.shape == (32,)


def test_a_window_bounds_the_context(make, tmp_path):
    export(make(window=16), tmp_path / "out.gguf")
    assert read(tmp_path / "out.gguf")[2]["llama.context_length"] == 16


@pytest.mark.parametrize(
    ("settings", "message"),
    [
        ({"sub_norms": True}, "norms before the output projections"),
        ({"activation": "relu2"}, "the activation 'relu2'"),
    ],
)
def test_networks_that_llama_cpp_lacks_are_refused(make, tmp_path, settings, message):
    with pytest.raises(ExportError, match=message):
        export(make(**settings), tmp_path / "out.gguf")
    assert not list(tmp_path.glob("*.gguf*"))


def test_a_file_that_is_there_is_kept_unless_told_otherwise(make, tmp_path):
    model, out = make(), tmp_path / "out.gguf"
    out.write_bytes(b"mine")
    with pytest.raises(WriteError, match="it is there already"):
        export(model, out)
    assert out.read_bytes() == b"mine"
    export(model, out, overwrite=True)
    assert out.read_bytes()[:4] == b"GGUF"


def test_a_late_failure_says_that_the_new_file_is_there(make, tmp_path, monkeypatch):
    out, flush = tmp_path / "late" / "model.gguf", atomic.fsync_dir

    def fail(path: Path) -> None:
        if path == out.parent:
            raise OSError(5, "Input/output error")
        flush(path)

    monkeypatch.setattr(atomic, "fsync_dir", fail)
    with pytest.raises(UnconfirmedWriteError, match=r"model\.gguf: the new one is written and in its place"):
        export(make("ternary"), out)
    assert read(out)


def test_the_command(make, tmp_path, capsys):
    from pentanet.cli import main

    model = make()
    main(["export", str(model), "--out", str(tmp_path / "out.gguf"), "--json"])
    assert json.loads(capsys.readouterr().out)["types"]["Q3_K"] == 14

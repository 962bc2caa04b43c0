"""Blocks of a .gguf file keep their levels and scales."""

from __future__ import annotations

import json

import numpy as np
import pytest
import torch
from edits import reseal

from pentanet.errors import FormatError
from pentanet.families import config_from_hub
from pentanet.families.rope import Llama3Rope
from pentanet.format.model_dir import open_model
from pentanet.grid import TERNARY
from pentanet.integrations.imported.gguf import codes_of
from pentanet.integrations.imported.run import import_model
from pentanet.runtime.load import load


@pytest.mark.parametrize(
    ("method", "ternary"), [("pentanary", "TQ2_0"), ("ternary", "TQ2_0"), ("ternary", "TQ1_0"), ("septenary", "TQ2_0")]
)
def test_gguf_goes_out_and_comes_back(make, tmp_path, method, ternary):
    pytest.importorskip("gguf")
    from pentanet.integrations.gguf.export import export

    path = make(method=method)
    export(path, tmp_path / "out.gguf", ternary=ternary)
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
    from pentanet.integrations.gguf.export import export

    rope = Llama3Rope(factor=8.0, original_max_position_embeddings=32)
    export(make(rope=rope), tmp_path / "out.gguf")
    import_model(tmp_path / "out.gguf", tmp_path / "back")
    assert config_from_hub(open_model(tmp_path / "back").config).rope == rope


def test_a_gguf_brings_its_template_and_licence(make, tmp_path):
    pytest.importorskip("gguf")
    from pentanet.integrations.gguf.export import export

    path = make()
    (path / "chat_template.jinja").write_text("{{ messages }}")
    reseal(path)
    export(path, tmp_path / "out.gguf")
    import_model(tmp_path / "out.gguf", tmp_path / "back")
    settings = json.loads((tmp_path / "back" / "tokenizer_config.json").read_text())
    assert settings["chat_template"] == "{{ messages }}"


def test_gguf_of_other_types_is_refused(make, tmp_path):
    gguf = pytest.importorskip("gguf")
    from pentanet.gguf import blocks
    from pentanet.integrations.gguf.export import export

    export(make(), tmp_path / "out.gguf")
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

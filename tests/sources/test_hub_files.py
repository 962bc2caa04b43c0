"""What is wrong with the files of a directory is said before a tensor is read."""

from __future__ import annotations

import pytest
import torch
from safetensors.torch import save_file

from pentanet.errors import HeaderError, MissingTensorError, ModelConfigError
from pentanet.sources import hub_files
from pentanet.sources.hub_files import HubFiles


def test_types_and_shapes_are_those_of_the_headers(tmp_path):
    state = {"a": torch.ones(2, 3, dtype=torch.bfloat16), "b": torch.ones(4, dtype=torch.uint8), "c": torch.tensor(2.0)}
    save_file(state, tmp_path / "model.safetensors")
    files = HubFiles(tmp_path)
    assert {name: (found.dtype, found.shape) for name, found in files.stored.items()} == {
        "a": ("BF16", (2, 3)),
        "b": ("U8", (4,)),
        "c": ("F32", ()),
    }
    assert all(torch.equal(files.tensor(name), values) for name, values in state.items())
    with pytest.raises(MissingTensorError, match="'d'"):
        files.tensor("d")


def test_a_pickle_has_types_too(tmp_path):
    torch.save({"a": torch.ones(2, dtype=torch.float16), "b": torch.ones(2, dtype=torch.int32)}, tmp_path / "x.bin")
    (tmp_path / "x.bin").rename(tmp_path / "pytorch_model.bin")
    files = HubFiles(tmp_path, allow_pickle=True)
    assert [files.stored[name].dtype for name in "ab"] == ["F16", "torch.int32"]


@pytest.mark.parametrize("state", [{1: torch.ones(2)}, {"a": 3}, [torch.ones(2)]])
def test_a_pickle_of_something_else_is_refused(tmp_path, state):
    torch.save(state, tmp_path / "pytorch_model.bin")
    with pytest.raises(ModelConfigError, match="table of tensors by name"):
        HubFiles(tmp_path, allow_pickle=True)


def test_an_index_without_end_is_not_read(tmp_path, monkeypatch):
    monkeypatch.setattr(hub_files, "_MAX_INDEX", 10)
    (tmp_path / "model.safetensors.index.json").write_text('{"weight_map": {}}')
    with pytest.raises(HeaderError, match="larger than 10 bytes"):
        HubFiles(tmp_path)

"""Modules that stay packed: only what is needed becomes float, and only for as long as it is."""

from __future__ import annotations

import weakref
from pathlib import Path

import numpy as np
import pytest
import torch
from torch import Tensor

from pentanet.codes import Codes
from pentanet.format.model_dir import open_model, write_model
from pentanet.format.tensors import Coded as CodedTensor
from pentanet.format.tensors import Plain as PlainTensor
from pentanet.grid import PENTANARY
from pentanet.runtime.load import load
from pentanet.runtime.modules import Coded, Packed, PackedEmbedding, PackedLinear, PackedMatrix, Plain


def codes(rows: int, cols: int, scales: tuple[int, int]) -> Codes:
    generator = np.random.default_rng(0)
    levels = generator.integers(-2, 3, (rows, cols)).astype(np.int8)
    return Codes(levels, generator.uniform(0.1, 1, scales).astype(np.float32), PENTANARY)


@pytest.mark.parametrize("scales", [(1, 1), (6, 1), (6, 4)])
def test_coded_matrices_are_what_codes_dequantize_to(tmp_path: Path, scales: tuple[int, int]) -> None:
    made = codes(6, 8, scales)
    layout = "pentanary-7bit"
    write_model(
        tmp_path / "m", config={}, tensors={"w": CodedTensor(made, layout)}, method="x", tokenizer=None, card=""
    )
    linear, embedding = PackedLinear(6, 8), PackedEmbedding(6, 8)
    for module in (linear, embedding):
        module.attach(open_model(tmp_path / "m"), "w")
    weight = made.dequantize()
    x = torch.randn(2, 3, 8, generator=torch.Generator().manual_seed(0))
    assert torch.equal(linear(x), x @ torch.from_numpy(weight).T)
    ids = torch.tensor([[5, 0, 5], [3, 1, 2]])
    np.testing.assert_array_equal(embedding(ids), weight[ids])


@pytest.mark.parametrize("dtype", ["bfloat16", "float32"])
def test_plain_matrices_are_kept_as_they_are_stored(tmp_path: Path, dtype: str) -> None:
    values = torch.randn(6, 8, generator=torch.Generator().manual_seed(0)).bfloat16().float().numpy()
    tensors = {"w": PlainTensor(values, dtype)}
    write_model(tmp_path / "m", config={}, tensors=tensors, method="x", tokenizer=None, card="")
    module = PackedEmbedding(6, 8)
    module.attach(open_model(tmp_path / "m"), "w")
    assert isinstance(module.matrix, Plain)
    assert module.matrix.values.dtype == getattr(torch, dtype)
    np.testing.assert_array_equal(module(torch.tensor([4, 4])), values[[4, 4]])
    np.testing.assert_array_equal(module.matrix.all(), values)


def test_an_embedding_makes_floats_of_the_rows_that_it_looks_up(models: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    for name in ("llama", "tied", "gpt"):
        network = load(models / name).network
        embedding = next(m for m in network.modules() if isinstance(m, PackedEmbedding))
        with monkeypatch.context() as patch:
            for kind in (Coded, Plain):
                patch.setattr(kind, "all", lambda _: pytest.fail("unpacked the whole embedding"))
            assert embedding(torch.tensor([[3, 1, 3]])).shape == (1, 3, 32)


def test_no_more_than_one_matrix_is_float_at_a_time(models: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    alive: list[weakref.ref[Tensor]] = []
    largest: list[int] = []

    def watched(kind: type[Coded] | type[Plain]) -> None:
        real = kind.all

        def unpack(self: Coded | Plain) -> Tensor:
            largest.append(sum(ref() is not None for ref in alive) + 1)
            weight = real(self)  # type: ignore[arg-type]
            alive.append(weakref.ref(weight))
            return weight

        monkeypatch.setattr(kind, "all", unpack)

    watched(Coded)
    watched(Plain)
    for name in ("llama", "tied", "gpt"):
        runtime = load(models / name)
        with torch.inference_mode():
            runtime.network(torch.zeros(1, 5, dtype=torch.int64))
        matrices = [m for m in runtime.network.modules() if isinstance(m, PackedLinear)]
        assert len(largest) == len(matrices) > 8 or name == "gpt"
        assert set(largest) == {1}
        largest.clear()


def test_weights_are_held_as_bytes(models: Path) -> None:
    network = load(models / "llama").network
    held = [m.matrix for m in network.modules() if isinstance(m, PackedMatrix)]
    assert all(isinstance(matrix, Coded) and matrix.levels.dtype == torch.int8 for matrix in held)
    assert sum(p.numel() for p in network.parameters()) == 2 * (3 * 32 + 40) + 32  # the norms


def test_the_factory_makes_what_a_network_asks_for() -> None:
    make = Packed()
    assert isinstance(make.linear(3, 5), PackedLinear)
    assert make.linear(3, 5).shape == (5, 3)
    assert make.embedding(11, 3).shape == (11, 3)
    assert make.head(3, 11, make.embedding(11, 3)).shape == (11, 3)

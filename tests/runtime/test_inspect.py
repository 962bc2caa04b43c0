"""What inspect counts, against what was put in."""

from __future__ import annotations

import json
import math
from pathlib import Path

import numpy as np
import pytest

from pentanet.codes import Codes
from pentanet.errors import CodeError
from pentanet.format.container import write_tensors
from pentanet.format.model_dir import open_model, write_model
from pentanet.format.tensors import Coded, Plain, Tensor
from pentanet.grid import GRIDS, PENTANARY
from pentanet.runtime import inspect as module
from pentanet.runtime.inspect import inspect


def write(out: Path, tensors: dict[str, Tensor], **config: object) -> Path:
    write_model(out, config=config, tensors=tensors, method="pentanary", tokenizer=None, card="")
    return out


def coded(levels: np.ndarray, grid: str, layout: str) -> Coded:  # type: ignore[type-arg]
    return Coded(Codes(levels.astype(np.int8), np.ones((len(levels), 1), np.float32), GRIDS[grid]), layout)


def test_by_hand(tmp_path: Path) -> None:
    """16 x 12 weights: half of them 0, a quarter 1, an eighth each -2 and 2; an int8 embedding is not counted."""
    levels = np.repeat([0, 1, -2, 2], [96, 48, 24, 24]).reshape(16, 12)
    tensors: dict[str, Tensor] = {
        "embed.weight": coded(np.zeros((4, 3)), "int8", "byte"),
        "up.weight": coded(levels, "pentanary", "pentanary-7bit"),
        "norm.weight": Plain(np.ones(12, np.float32)),
    }
    found = inspect(write(tmp_path / "model", tensors))
    embed, up, norm = found.rows
    assert (up.storage, up.grid, up.shape, up.parameters) == ("pentanary-7bit", "pentanary", (16, 12), 192)
    assert up.bytes == 64 + 64  # 56 bytes of codes and 16 scales, each up to a multiple of 64
    assert up.bits_per_weight == 8 * 128 / 192
    assert up.occupancy == {-2: 0.125, -1: 0, 0: 0.5, 1: 0.25, 2: 0.125}
    assert up.zero_fraction == 0.5
    assert up.entropy == pytest.approx(0.5 * 1 + 0.25 * 2 + 2 * 0.125 * 3)
    assert (embed.occupancy, embed.zero_fraction, embed.entropy) == (None, 1, 0)
    assert math.copysign(1, embed.entropy or 0) == 1
    assert (norm.storage, norm.grid, norm.occupancy, norm.zero_fraction) == ("bfloat16", None, None, None)
    assert norm.bytes == 24  # the last tensor is not padded
    assert found.method == "pentanary"
    assert found.parameters == 12 + 192 + 12
    assert found.quantized_parameters == 192
    assert found.bytes == (tmp_path / "model" / "model.safetensors").stat().st_size
    assert found.file_bits_per_weight == 8 * found.bytes / 216
    assert found.quantized_bits_per_weight == up.bits_per_weight
    assert (found.entropy, found.occupancy, found.zero_fraction) == (up.entropy, up.occupancy, 0.5)


def test_gaussian_weights_have_the_entropy_of_theory(tmp_path: Path) -> None:
    scale = PENTANARY.optimal_scale()
    draws = np.random.default_rng(0).standard_normal((256, 1024))
    levels = np.clip(np.round(draws / scale), -2, 2)
    found = inspect(write(tmp_path / "model", {"w": coded(levels, "pentanary", "pentanary-7bit")}))
    theory = PENTANARY.gaussian(scale)
    assert found.entropy == pytest.approx(theory.entropy, abs=3e-3)
    assert found.occupancy is not None
    assert list(found.occupancy.values()) == pytest.approx(theory.occupancy, abs=3e-3)


@pytest.mark.parametrize("inputs", [2048, 2304, 3072, 4096])
def test_large_pentanary_linears_cost_at_most_2_36_bits(tmp_path: Path, inputs: int) -> None:
    """Scales of each row and padding included."""
    levels = np.random.default_rng(0).integers(-2, 3, (256, inputs))
    found = inspect(write(tmp_path / "model", {"w": coded(levels, "pentanary", "pentanary-7bit")}))
    assert found.quantized_bits_per_weight is not None
    assert 7 / 3 <= found.quantized_bits_per_weight <= 2.36


def test_totals_over_tensors(pristine: Path, tensors: dict[str, Tensor]) -> None:
    found = inspect(pristine)
    opened = open_model(pristine)
    assert [row.name for row in found.rows] == list(tensors)
    assert found.quantized_parameters == 35 * 24 + 24 * 35 + 16 * 8
    assert found.quantized_bits_per_weight == pytest.approx(
        8
        * sum(opened.footprint(name) for name in ("up.weight", "down.weight", "gate.weight"))
        / found.quantized_parameters
    )
    assert found.occupancy is None  # three grids
    for row in found.rows:
        tensor = tensors[row.name]
        if isinstance(tensor, Coded) and row.occupancy is not None:
            total = tensor.codes.levels.size
            assert row.occupancy == {level: n / total for level, n in tensor.codes.occupancy().items()}
            assert row.zero_fraction == row.occupancy.get(0, 0)


def test_full_precision(tmp_path: Path) -> None:
    found = inspect(write(tmp_path / "model", {"w": Plain(np.ones((64, 64), np.float32), "float32")}))
    assert (found.quantized_parameters, found.quantized_bits_per_weight, found.zero_fraction) == (0, None, None)
    assert found.file_bits_per_weight > 32


def test_a_latent_that_is_stored_twice_counts_once(tmp_path: Path) -> None:
    tensors: dict[str, Tensor] = {
        "transformer.wte.weight": Plain(np.ones((20, 12), np.float32)),
        "lm_head.weight": coded(np.ones((20, 12)), "pentanary", "pentanary-7bit"),
    }
    shared = inspect(write(tmp_path / "gpt", tensors, model_type="pentanet-gpt"))
    apart = inspect(write(tmp_path / "llama", tensors, model_type="llama"))
    assert (shared.parameters, shared.quantized_parameters) == (240, 240)
    assert (apart.parameters, apart.quantized_parameters) == (480, 240)


def test_json(pristine: Path) -> None:
    found = inspect(pristine)
    tree = json.loads(json.dumps(found.to_dict()))
    assert tree == found.to_dict()
    row = next(row for row in tree["rows"] if row["name"] == "up.weight")
    assert row["shape"] == [35, 24]
    assert set(row["occupancy"]) == {"-2", "-1", "0", "1", "2"}
    assert tree["quantized_bits_per_weight"] == found.quantized_bits_per_weight


def test_blocks_make_no_difference(pristine: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    whole = inspect(pristine)
    monkeypatch.setattr(module, "_BLOCK_WEIGHTS", 1)  # a tile at a time
    assert inspect(pristine) == whole


def test_bad_codes_are_found(model: Path) -> None:
    opened = open_model(model)
    entries = dict(opened.tensor_file.entries)
    blocks = {name: opened.tensor_file.raw(name).copy() for name in entries}
    blocks["down.weight"][-1] = 0xFF
    write_tensors(model / "new", entries, blocks.__getitem__)
    (model / "new").replace(model / "model.safetensors")
    with pytest.raises(CodeError, match=r"'down\.weight'"):
        inspect(model)

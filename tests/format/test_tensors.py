"""Values and specifications."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st

from pentanet.codes import Codes
from pentanet.errors import (
    ModelConfigError,
    NonFiniteWeightError,
    ScaleError,
    ShapeError,
    UnknownNameError,
    UnpackableError,
)
from pentanet.format.layouts import LAYOUTS
from pentanet.format.tensors import (
    Coded,
    CodedSpec,
    Plain,
    PlainSpec,
    check_scales,
    from_bfloat16,
    spec_from_json,
    to_bfloat16,
)
from pentanet.grid import GRIDS, PENTANARY, Grid


def test_bfloat16_is_torchs() -> None:
    """Every upper half of a float32 with the lower halves where rounding turns."""
    high = np.arange(1 << 16, dtype=np.uint32) << np.uint32(16)
    lows = np.array([0, 1, 0x7FFF, 0x8000, 0x8001, 0xFFFF], np.uint32)
    values = (high[:, None] | lows).view(np.float32)
    ours = from_bfloat16(to_bfloat16(values))
    theirs = torch.from_numpy(values).to(torch.bfloat16).float().numpy()
    assert np.array_equal(np.isnan(ours), np.isnan(values))
    assert np.array_equal(ours, theirs, equal_nan=True)


def test_bfloat16_is_idempotent_and_keeps_shapes() -> None:
    bits = np.arange(1 << 16, dtype=np.uint16)
    finite = np.isfinite(from_bfloat16(bits))
    assert np.array_equal(to_bfloat16(from_bfloat16(bits))[finite], bits[finite])
    assert to_bfloat16(np.float32(np.nan).reshape(())).shape == ()


@pytest.mark.parametrize("bad", [np.nan, np.inf, -np.inf, 0.0, -0.0, -1e-3, 3e38])
def test_bad_scales(bad: float) -> None:
    scales = np.ones((3, 2), np.float32)
    scales[2, 1] = bad  # 3e38 is finite, but twice it is not
    with pytest.raises(ScaleError, match=r"'w': scale \S+ of row 2, group 1 "):
        check_scales(scales, PENTANARY, "w")
    check_scales(scales[:2], PENTANARY, "w")


def test_smallest_and_largest_scales() -> None:
    check_scales(np.array([[1e-45, 1.7e38]], np.float32), PENTANARY, "w")


def test_coded_refuses() -> None:
    codes = Codes(np.zeros((2, 2), np.int8), np.ones((1, 1), np.float32), PENTANARY)
    with pytest.raises(UnpackableError, match=r"'w'.*'ternary-2bit' does not hold the 5 levels of grid 'pentanary'"):
        Coded(codes, "ternary-2bit").check("w")
    with pytest.raises(UnknownNameError, match="nibble"):
        Coded(codes, "nibbles").check("w")
    strange = Codes(codes.levels, codes.scales, Grid("pentanary", (-1, 0, 1)))
    with pytest.raises(UnpackableError, match="not in"):
        Coded(strange, "nibble").check("w")
    with pytest.raises(ScaleError, match="'w'"):
        Coded(Codes(codes.levels, -codes.scales, PENTANARY), "nibble").check("w")


def test_plain_refuses() -> None:
    with pytest.raises(UnpackableError, match=r"'w': no storage 'float16'\. Did you mean 'bfloat16'"):
        Plain(np.zeros(2, np.float32), "float16").check("w")
    for values in (np.zeros(0, np.float32), np.zeros(2), np.zeros((1,) * 9, np.float32)):
        with pytest.raises(ShapeError, match="'w'"):
            Plain(values).check("w")  # type: ignore[arg-type]


@given(data=st.data())
def test_specs_survive_json(data: st.DataObject) -> None:
    layout = data.draw(st.sampled_from(sorted(LAYOUTS)))
    block = LAYOUTS[layout].coder.block
    rows, cols = data.draw(st.integers(1, 2**40)), block * data.draw(st.integers(1, 999 // block))
    grid = data.draw(st.sampled_from([grid for grid in GRIDS.values() if LAYOUTS[layout].accepts(grid)]))
    groups = data.draw(st.sampled_from([groups for groups in range(1, cols + 1) if cols % groups == 0]))
    coded = CodedSpec((rows, cols), grid, layout, data.draw(st.sampled_from([(1, 1), (rows, 1), (rows, groups)])))
    assert spec_from_json("w", coded.to_json(), "config.json") == coded
    shape = tuple(data.draw(st.lists(st.integers(1, 2**40), max_size=8)))
    plain = PlainSpec(shape, data.draw(st.sampled_from(["bfloat16", "float32"])))
    assert spec_from_json("w", plain.to_json(), "config.json") == plain


GOOD: dict[str, Any] = {"storage": "pentanary-7bit", "grid": "pentanary", "shape": [4, 6], "scales": [4, 2]}
BAD_SPECS = {
    "not an object": (lambda spec: 3, "not a JSON object"),
    "unknown key": (lambda spec: {**spec, "scale": [4, 1]}, "unknown key 'scale'. Did you mean 'scales'"),
    "missing key": (lambda spec: {key: spec[key] for key in ("storage", "grid", "shape")}, "'scales' is missing"),
    "grid of a plain tensor": (lambda spec: {**spec, "storage": "float32"}, "unknown key 'grid'"),
    "unknown storage": (lambda spec: {**spec, "storage": "pentanary-7bits"}, "Did you mean 'pentanary-7bit'"),
    "storage of another type": (lambda spec: {**spec, "storage": ["float32"]}, "unknown layout"),
    "no storage": (lambda spec: {**spec, "storage": None}, "unknown layout"),
    "unknown grid": (lambda spec: {**spec, "grid": "pentanery"}, "Did you mean 'pentanary'"),
    "grid that does not fit": (
        lambda spec: {**spec, "grid": "ternary"},
        "layout 'pentanary-7bit' does not hold .* 'ternary'",
    ),
    "half a block": (
        lambda spec: {**spec, "storage": "sparse-ternary-5bit", "grid": "ternary"},
        "layout 'sparse-ternary-5bit' holds blocks of 4 inputs, but 6",
    ),
    "three dimensions": (lambda spec: {**spec, "shape": [4, 6, 1]}, "do not fit"),
    "zero rows": (lambda spec: {**spec, "shape": [0, 6]}, "not a shape"),
    "negative": (lambda spec: {**spec, "shape": [4, -6]}, "not a shape"),
    "fraction": (lambda spec: {**spec, "shape": [4, 6.0]}, "not a shape"),
    "bool": (lambda spec: {**spec, "shape": [True, 6]}, "not a shape"),
    "shape is text": (lambda spec: {**spec, "shape": "46"}, "not a shape"),
    "scales of other rows": (lambda spec: {**spec, "scales": [3, 1]}, "do not fit"),
    "groups that do not divide": (lambda spec: {**spec, "scales": [4, 4]}, "do not fit"),
    "groups of one row": (lambda spec: {**spec, "scales": [1, 2]}, "do not fit"),
    "one number of scales": (lambda spec: {**spec, "scales": [4]}, "do not fit"),
    "too many dimensions": (lambda spec: {"storage": "float32", "shape": [1] * 9}, "not a shape"),
}


@pytest.mark.parametrize("name", BAD_SPECS)
def test_bad_specs(name: str) -> None:
    spoil, message = BAD_SPECS[name]
    assert spec_from_json("w", GOOD, "config.json").to_json() == GOOD
    with pytest.raises(ModelConfigError, match=f"config.json: tensor 'w': .*{message}"):
        spec_from_json("w", spoil(GOOD), "config.json")


@pytest.mark.parametrize("dtype", ["float32", "bfloat16"])
@pytest.mark.parametrize("bad", [np.nan, -np.nan, np.inf, -np.inf])
def test_plain_values_that_are_not_finite(dtype: str, bad: float) -> None:
    values = np.full((2, 3), -np.finfo(np.float32).tiny, np.float32)
    Plain(values, dtype).check("w")
    values[1, 1] = bad
    with pytest.raises(NonFiniteWeightError, match="'w': value 4 is not finite"):
        Plain(values, dtype).check("w")


def test_what_bfloat16_rounds_to_infinity_is_refused() -> None:
    largest = np.array([0x7F7F7FFF], np.uint32).view(np.float32)
    Plain(largest).check("w")
    assert np.isfinite(from_bfloat16(to_bfloat16(largest))).all()
    beyond = np.array([0x7F7F8000], np.uint32).view(np.float32)
    Plain(beyond, "float32").check("w")
    with pytest.raises(NonFiniteWeightError):
        Plain(beyond).check("w")

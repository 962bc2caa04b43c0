"""Synthetic matrices are matrices: the engine multiplies by what the Python layouts decode from the same bytes."""

from __future__ import annotations

import numpy as np
import pytest

from pentanet.format.layouts import LAYOUTS
from pentanet.speed import synthetic
from pentanet.speed.settings import speed_settings

native = pytest.importorskip("pentanet._native", reason="the engine was not compiled")


@pytest.mark.parametrize("isa", native.supported_isas())
@pytest.mark.parametrize("layout", LAYOUTS.values(), ids=lambda layout: layout.name)
def test_rows_repeat_a_tile_of_levels(layout, isa):
    found = synthetic.matrices(layout, 50, 36, 3000, isa)
    assert sum(matrix.nbytes for matrix in found) >= 3000
    assert len(found) > 1
    grid = max(filter(layout.accepts, synthetic.GRIDS.values()), key=lambda grid: grid.size)
    levels = np.resize(synthetic._levels(layout, grid, 16, 36), (50, 36))
    x = np.arange(36, dtype=np.int8)[None]
    for matrix in found:
        assert (matrix.sums(x)[0, 0] == levels.astype(np.int32) @ x[0].astype(np.int32)).all()


def test_a_model_directory_passes_all_checks(tmp_path):
    from pentanet.runtime.load import load

    shape = speed_settings(quick=True).model
    assert shape is not None
    synthetic.write(shape, tmp_path / "model")
    runtime = load(tmp_path / "model")
    logits = runtime.next_logits([1, 2, 3])
    assert logits.shape == (shape.vocab,)
    assert 1e-3 < float(logits.std()) < 1e3, "numbers stay in the range of a real model"

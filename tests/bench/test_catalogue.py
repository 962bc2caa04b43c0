"""The list of methods says what the registry and the layouts say."""

from __future__ import annotations

import json

import pytest

from pentanet.bench.catalogue import describe
from pentanet.quant import METHODS


def test_rows_by_hand() -> None:
    rows = {row["name"]: row for row in describe(["full-precision", "pentanary", "sherry", "bitnet-b158"])}
    assert json.loads(json.dumps(rows)) == rows
    assert rows["full-precision"]["grid"] is None
    assert rows["full-precision"]["bits"] == rows["full-precision"]["stored_bits"] == 16
    penta = rows["pentanary"]
    assert (penta["grid"], penta["levels"], penta["granularity"]) == ("pentanary", [-2, -1, 0, 1, 2], "row")
    assert (penta["bits"], penta["stored_bits"]) == pytest.approx((2.3219, 7 / 3), abs=1e-4)
    assert rows["sherry"]["granularity"] == "group:128"
    assert [rows[name]["activations"] for name in ("sherry", "bitnet-b158")] == ["none", "int8"]


def test_every_method_can_be_told() -> None:
    for row, (name, method) in zip(describe(METHODS), METHODS.items(), strict=True):
        assert row["name"] == name
        assert row["title"] == method.title
        assert row["stored_bits"] >= row["bits"]

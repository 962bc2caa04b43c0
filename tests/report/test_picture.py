from collections.abc import Callable
from itertools import pairwise
from pathlib import Path
from typing import Any
from xml.etree import ElementTree

import pytest
from hypothesis import given
from hypothesis import strategies as st

from pentanet.report.picture import curves_svg, ticks
from pentanet.report.records import parse
from pentanet.report.runs import read_runs
from pentanet.report.svg import short, spread

Bench = tuple[Path, dict[str, Any]]
SVG = "{http://www.w3.org/2000/svg}"


def drawn(summary: dict[str, Any], out: Path) -> str:
    found = parse(summary)
    return curves_svg(found, read_runs(found, out))


def test_a_line_a_band_and_a_label_per_method(bench: Bench) -> None:
    out, summary = bench
    root = ElementTree.fromstring(drawn(summary, out))
    texts = [node.text for node in root.iter(f"{SVG}text")]
    assert len(list(root.iter(f"{SVG}polyline"))) == len(list(root.iter(f"{SVG}polygon"))) == len(summary["methods"])
    for name, arm in summary["methods"].items():
        assert f"{name} {arm['mean']['val_loss']:.3f}" in texts


def test_the_line_lies_within_its_band(bench: Bench) -> None:
    root = ElementTree.fromstring(drawn(bench[1], bench[0]))
    for band, line in zip(root.iter(f"{SVG}polygon"), root.iter(f"{SVG}polyline"), strict=True):
        rims, mean = ([tuple(map(float, p.split(","))) for p in node.attrib["points"].split()] for node in (band, line))
        above, below = rims[: len(mean)], rims[len(mean) :][::-1]
        assert all(a[1] <= m[1] <= b[1] for a, m, b in zip(above, mean, below, strict=True))
        assert any(a[1] < b[1] for a, b in zip(above, below, strict=True))


def test_names_are_escaped(make_bench: Callable[..., dict[str, Any]], tmp_path: Path) -> None:
    summary = make_bench(tmp_path, methods=("ternary",), seeds=1, steps=40, every=5)
    summary["suite"] = "</text><script>"
    summary["methods"]["<b>&"] = summary["methods"].pop("ternary")
    root = ElementTree.fromstring(drawn(summary, tmp_path))
    assert any((node.text or "").startswith("<b>& ") for node in root.iter(f"{SVG}text"))
    assert not list(root.iter(f"{SVG}script"))


def test_without_runs_it_says_so(bench: Bench) -> None:
    arm = {"mean": {}, "seeds": {"0": {}}}
    assert "No run has been evaluated" in drawn({"methods": {"ternary": arm}}, bench[0])


@given(st.lists(st.floats(0, 400), max_size=9))
def test_labels_keep_apart_and_in_order(places: list[float]) -> None:
    moved = spread(places, 17)
    order = sorted(range(len(places)), key=places.__getitem__)
    assert all(moved[b] - moved[a] >= 17 - 1e-6 for a, b in pairwise(order))
    assert sum(moved) == pytest.approx(sum(places), abs=1e-6)


@given(st.floats(-100, 100), st.floats(1e-3, 1000))
def test_ticks_are_few_and_inside(low: float, width: float) -> None:
    found = ticks(low, low + width, 6)
    assert 2 <= len(found) <= 8
    assert all(low - 1e-6 * width <= t <= low + width * (1 + 1e-6) for t in found)


def test_short_counts() -> None:
    assert [short(v) for v in (0, 950, 1500, 2e6, 3.2e9)] == ["0", "950", "1.5 k", "2 M", "3.2 G"]

from __future__ import annotations

from typing import Any
from xml.etree import ElementTree

import pytest

from pentanet.report.roofline import roofline_svg

SVG = "{http://www.w3.org/2000/svg}"


def row(layout: str, threads: int, tokens: int, bits: float, value: float, unit: str) -> dict[str, Any]:
    return {"layout": layout, "threads": threads, "tokens": tokens, "bits": bits, "value": value, "unit": unit}


@pytest.fixture
def summary() -> dict[str, Any]:
    return {
        "machine": {"cpu": "<cpu> & co", "instruction_set": "avx2"},
        "limits": {"read_gbps": {"1": 20.0, "2": 30.0}, "int8_gops": {"1": 400.0, "2": 800.0}},
        "decode": [row("byte", 1, 1, 8.0, 20.0, "GB/s"), row("new-layout", 2, 1, 2.0, 30.0, "GB/s")],
        "prefill": [row("byte", 1, 512, 8.0, 400.0, "GOPS"), row("new-layout", 2, 128, 2.0, 800.0, "GOPS")],
    }


def roofs(root: ElementTree.Element) -> list[list[tuple[float, float]]]:
    found = root.findall(f".//{SVG}polyline")
    return [[(float(x), float(y)) for x, y in (p.split(",") for p in node.attrib["points"].split())] for node in found]


def marks(root: ElementTree.Element) -> dict[str, tuple[float, float]]:
    """Centre of each mark by its title."""
    found = {}
    for group in root.iter(f"{SVG}g"):
        title = group.find(f"{SVG}title")
        if title is None:
            continue
        circle, square = group.find(f"{SVG}circle"), group.find(f"{SVG}rect")
        if circle is not None:
            found[title.text] = (float(circle.attrib["cx"]), float(circle.attrib["cy"]))
        if square is not None:
            found[title.text] = (float(square.attrib["x"]) + 4.6, float(square.attrib["y"]) + 4.6)
    return found


def test_what_reaches_its_limit_lies_on_its_roof(summary: dict[str, Any]) -> None:
    root = ElementTree.fromstring(roofline_svg(summary))
    slopes = roofs(root)
    assert len(slopes) == 2
    found = marks(root)
    assert len(found) == 4
    for title, (x, y) in found.items():
        start, ridge, end = slopes[0 if "1 thread" in title else 1]
        if x >= ridge[0]:
            assert y == pytest.approx(end[1], abs=0.2), title
        else:
            share = (x - start[0]) / (ridge[0] - start[0])
            assert y == pytest.approx(start[1] + share * (ridge[1] - start[1]), abs=0.4), title


def test_slower_is_lower_and_the_roofs_are_ordered(summary: dict[str, Any]) -> None:
    before = marks(ElementTree.fromstring(roofline_svg(summary)))
    summary["decode"][0]["value"] = 10.0
    after = marks(ElementTree.fromstring(roofline_svg(summary)))
    assert after["byte, 1 thread, 1 tokens: 20 GOPS"][1] > before["byte, 1 thread, 1 tokens: 40 GOPS"][1]
    one, two = roofs(ElementTree.fromstring(roofline_svg(summary)))
    assert two[-1][1] < one[-1][1], "twice the peak is higher up"


def test_all_lies_within_the_picture_and_names_are_escaped(summary: dict[str, Any]) -> None:
    root = ElementTree.fromstring(roofline_svg(summary))
    width, height = float(root.attrib["width"]), float(root.attrib["height"])
    places = [point for roof in roofs(root) for point in roof] + list(marks(root).values())
    assert all(0 <= x <= width and 0 <= y <= height for x, y in places)
    texts = [node.text for node in root.iter(f"{SVG}text")]
    assert "<cpu> & co, avx2: layouts under the roof" in texts
    assert {"byte", "new-layout", "1 thread", "2 threads", "20.0 GB/s", "800 GOPS int8"} <= set(texts)

import json
from pathlib import Path
from typing import Any

import pytest

from pentanet.errors import MissingFileError, PentaNetError, RecordError
from pentanet.report.records import parse, read_summary

Bench = tuple[Path, dict[str, Any]]


def test_reads_what_the_bench_wrote(bench: Bench) -> None:
    out, summary = bench
    checked = parse(read_summary(out))
    assert [arm.name for arm in checked.arms] == list(summary["methods"])
    assert checked.seeds == ("0", "1", "2")
    assert checked.controls == ("full-precision", "ternary", "bitnet-seed")
    shares = checked.arms[-1].occupancy()
    assert list(shares) == [-2, -1, 0, 1, 2] and sum(shares.values()) == pytest.approx(1)
    seeds = summary["methods"]["pentanary"]["seeds"].values()
    assert shares[0] == pytest.approx(sum(s["occupancy"]["0"] for s in seeds) / 3)


def test_no_summary_names_the_fix(tmp_path: Path) -> None:
    with pytest.raises(MissingFileError, match=r"summary\.json.*`pentanet bench`"):
        read_summary(tmp_path)


@pytest.mark.parametrize("data", [b"", b"{", b"[]", b"\xff{}", b"[" * 100_000])
def test_what_is_no_json_object_is_named(tmp_path: Path, data: bytes) -> None:
    (tmp_path / "summary.json").write_bytes(data)
    with pytest.raises(RecordError, match=r"summary\.json: "):
        read_summary(tmp_path)


@pytest.mark.parametrize(
    ("path", "value", "message"),
    [
        (["methods"], {}, "methods: empty"),
        (["methods"], [], "methods: a JSON object"),
        (["methods", "ternary"], 1, r"methods\.ternary: a JSON object"),
        (["methods", "ternary", "seeds"], None, r"methods\.ternary\.seeds: "),
        (["methods", "ternary", "mean"], "x", r"methods\.ternary\.mean: "),
        (["methods", "ternary", "seeds", "0"], [], r"seeds\.0: "),
        (["methods", "ternary", "seeds", "0", "occupancy"], {"low": 1.0}, "levels must be integers"),
        (["comparisons"], {}, "comparisons: a list"),
        (["comparisons", 0], [], r"comparisons\[0\]: "),
        (["comparisons", 1, "verdict"], None, r"comparisons\[1\]\.verdict"),
    ],
)
def test_a_broken_part_is_named(bench: Bench, path: list[Any], value: object, message: str) -> None:
    summary = json.loads(json.dumps(bench[1]))
    place = summary
    for key in path[:-1]:
        place = place[key]
    place[path[-1]] = value
    with pytest.raises(RecordError, match=message):
        parse(summary)


def test_any_part_may_be_anything(bench: Bench) -> None:
    """Every value of a small summary replaced by each kind of JSON: it is read or refused, and never a traceback."""
    small = json.loads(json.dumps(bench[1]))
    for arm in small["methods"].values():
        arm["seeds"] = {"0": arm["seeds"]["0"]}

    def places(node: Any, path: tuple[Any, ...] = ()) -> list[tuple[Any, ...]]:
        items = node.items() if isinstance(node, dict) else enumerate(node) if isinstance(node, list) else ()
        return [p for key, child in items for p in [(*path, key), *places(child, (*path, key))]]

    refused = 0
    for path in places(small):
        for value in (None, True, -1, "x", [], {}, float("nan")):
            broken = json.loads(json.dumps(small))
            node = broken
            for key in path[:-1]:
                node = node[key]
            node[path[-1]] = value
            try:
                parse(broken)
            except PentaNetError:
                refused += 1
    assert refused > 100

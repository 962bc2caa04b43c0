import copy
from dataclasses import replace
from pathlib import Path
from typing import Any

from pentanet.report.records import parse
from pentanet.report.sizes import arm_styles, differences, over_depth, sentence, size_name, sizes

DepthBench = tuple[Path, dict[str, Any]]


def test_a_suite_of_one_size_has_no_sizes(bench: tuple[Path, dict[str, Any]]) -> None:
    found = parse(bench[1])
    assert sizes(found) == [] and over_depth(found) == {} == differences(found)
    assert [arm.series for arm in found.arms] == list(bench[1]["methods"])


def test_lines_and_pairs_over_depth(depth_bench: DepthBench) -> None:
    found = parse(depth_bench[1])
    assert sizes(found) == ["4", "12", "24"]
    assert {series: [arm.layers for arm in arms] for series, arms in over_depth(found).items()} == {
        "ternary": [4, 12, 24],
        "pentanary": [4, 12, 24],
    }
    ((pair, rows),) = differences(found).items()
    assert pair == ("pentanary", "ternary") and [size_name(arm) for arm, _ in rows] == [
        "4 layers",
        "12 layers",
        "24 layers",
    ]
    assert [d.verdict for _, d in rows] == ["not distinguishable", "not distinguishable", "worse"]
    words = "pentanary against ternary, validation loss: not distinguishable at 4 and 12; higher at 24 layers."
    assert sentence(pair, rows) == words
    fallen = [(arm, replace(d, p_holm=0.2)) for arm, d in rows]
    assert sentence(pair, fallen) == words.replace("higher at", "higher (not after Holm's correction) at")


def test_file_sizes_have_names(depth_bench: DepthBench) -> None:
    summary = copy.deepcopy(depth_bench[1])
    letters = {"-4": "-s", "-12": "-m", "-24": "-l"}

    def renamed(name: str) -> str:
        return next(name.removesuffix(old) + new for old, new in letters.items() if name.endswith(old))

    summary["methods"] = {renamed(name): arm for name, arm in summary["methods"].items()}
    for row in summary["comparisons"]:
        row["method"], row["control"] = renamed(row["method"]), renamed(row["control"])
    found = parse(summary)
    assert sizes(found) == ["s", "m", "l"] and over_depth(found) == {}
    ((pair, rows),) = differences(found).items()
    assert sentence(pair, rows).endswith("not distinguishable at small and middle; higher at large file size.")


def test_sizes_share_a_colour_and_differ_in_their_dashes(depth_bench: DepthBench) -> None:
    found = arm_styles(parse(depth_bench[1]))
    own = [found[f"pentanary-{layers}"] for layers in (4, 12, 24)]
    assert len({style.colour for style in own}) == 1 and len({style.dash for style in own}) == 3
    assert own[-1].dash == "" and found["ternary-24"].colour != own[-1].colour

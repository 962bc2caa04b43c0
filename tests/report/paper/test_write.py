import json
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from pentanet.errors import MissingExtraError
from pentanet.report.figures.draw import FIGURES
from pentanet.report.page import read
from pentanet.report.paper import write_paper
from pentanet.report.paper.content import CAPTIONS, paper

Made = tuple[Path, dict[str, Any]]


@pytest.mark.slow
def test_several_suites_make_one_paper(bench: Made, depth_bench: Made, tmp_path: Path) -> None:
    suites = [read(out) for out in (bench[0], depth_bench[0])]
    first = write_paper(suites, tmp_path / "report" / "a.pdf").read_bytes()
    assert first.startswith(b"%PDF") and len(first) > 100_000  # with its figures
    assert write_paper(suites, tmp_path / "b.pdf").read_bytes() == first
    assert sorted(path.name for path in tmp_path.rglob("*") if path.is_file()) == ["a.pdf", "b.pdf"]


def test_strings_from_the_records_stay_text(make_bench: Callable[..., dict[str, Any]], tmp_path: Path) -> None:
    evil = '#panic("ran") $ * _ ` @nowhere <label> \\ [ ] "'
    summary = make_bench(tmp_path, methods=("ternary",), seeds=1, steps=40)
    summary["suite"] = summary["title"] = evil
    arm = summary["methods"].pop("ternary")
    arm["seeds"]["0"]["sample"] = evil
    summary["methods"][evil] = arm
    (tmp_path / "summary.json").write_text(json.dumps(summary))
    assert write_paper([read(tmp_path)], tmp_path / "paper.pdf").stat().st_size > 1000


def test_it_says_what_was_found(bench: Made, depth_bench: Made) -> None:
    suites = [read(out) for out in (bench[0], depth_bench[0])]
    content = paper(suites, [["convergence"], []])
    assert content["summary"][0].startswith("nano: pentanary and ternary are not distinguishable. (")
    assert content["summary"][1].endswith("not distinguishable at 4 and 12; higher at 24 layers.")
    assert content["runs"] == 15 + 18
    nano, depth = content["suites"]
    losses = [float(row[1][0]) for row in nano["rows"]]
    assert losses == sorted(losses) and {len(row) for row in nano["rows"]} == {len(nano["heads"])}
    assert [row[0][0] for row in depth["rows"]] == [arm.name for arm in suites[1][0].arms]
    assert nano["figures"] == [("0-convergence.svg", CAPTIONS["convergence"])] and depth["figures"] == []
    assert any("narrower" in threat for threat in content["threats"])
    assert len(content["threats"]) == len(set(content["threats"]))


def test_theory_in_the_paper_is_that_of_the_grids(bench: Made) -> None:
    rows = {row[0]: row for row in paper([read(bench[0])], [[]])["grids"]["rows"]}
    assert rows["3"][2:6] == ["1.2240", "0.1902", "0.2634", "0.44"]
    assert rows["5"][2:6] == ["0.8430", "0.0822", "0.0832", "0.88"]


def test_published_numbers() -> None:
    from pentanet.report.paper.published import published

    text = " ".join(words for _, words in published())
    for words in ("11.57 %", "22.93 %", "31.01 %", "38 % above", "1.2 % above", "+0.066 nats", "p = 0.040"):
        assert words in text, words


def test_questions_are_in_the_summary(bench: Made) -> None:
    from pentanet.report.records import parse

    row = {"title": "five close half", "n": 3, "estimate": -0.02, "low": -0.03, "high": -0.01, "p": 0.01}
    found = parse({**bench[1], "contrasts": [{**row, "verdict": "holds"}]})
    assert (
        "five close half: holds (\u22120.020 nats [\u22120.030, \u22120.010], 3 seeds)."
        in paper([(found, [])], [[]])["summary"]
    )


def test_every_figure_has_a_caption() -> None:
    assert CAPTIONS.keys() == FIGURES.keys()


def test_without_typst_the_extra_is_named(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    monkeypatch.setitem(sys.modules, "typst", None)
    with pytest.raises(MissingExtraError, match=r"--paper needs the package 'typst': pip install 'pentanet\[report\]'"):
        write_paper([], tmp_path / "paper.pdf")

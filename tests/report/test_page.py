import json
import re
import shutil
from collections.abc import Callable
from html.parser import HTMLParser
from pathlib import Path
from typing import Any

import pytest

from pentanet.errors import MissingFileError, RecordError
from pentanet.report import report
from pentanet.report.page import embed

Bench = tuple[Path, dict[str, Any]]
Maker = Callable[..., dict[str, Any]]
EVIL = "</script><script>alert(1)</script><img src=x onerror=alert(1)>'\"&\u2028"
VOID = {"meta", "link", "br", "img", "input"}


class Page(HTMLParser):
    """Elements, balanced, with the text and attributes of each."""

    def __init__(self, text: str) -> None:
        super().__init__()
        self.open: list[str] = []
        self.elements: list[tuple[str, dict[str, str | None]]] = []
        self.text: dict[str, str] = {}
        self.feed(text)
        self.close()
        assert not self.open, self.open

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self.elements.append((tag, dict(attrs)))
        if tag not in VOID:
            self.open.append(tag)

    def handle_startendtag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self.elements.append((tag, dict(attrs)))

    def handle_endtag(self, tag: str) -> None:
        assert self.open.pop() == tag

    def handle_data(self, data: str) -> None:
        key = self.open[-1] if self.open else ""
        self.text[key] = self.text.get(key, "") + data

    def ids(self) -> list[str]:
        return [attrs["id"] or "" for _, attrs in self.elements if "id" in attrs]


def load(path: Path) -> tuple[str, Page]:
    text = path.read_text(encoding="utf-8")
    return text, Page(text)


def data_of(text: str) -> dict[str, Any]:
    found = re.search(r'<script type="application/json" id="data">(.*?)</script>', text, re.DOTALL)
    assert found
    return json.loads(found[1])


@pytest.fixture(scope="module")
def written(bench: Bench) -> tuple[str, Page]:
    return load(report(bench[0]))


def test_it_is_where_it_should_be(bench: Bench) -> None:
    page = report(bench[0])
    assert page == bench[0] / "report" / "index.html"
    assert (bench[0] / "report" / "curves.svg").read_text().startswith("<svg ")
    assert sorted(p.name for p in page.parent.iterdir()) == ["curves.svg", "index.html"]


def test_it_asks_nothing_of_the_network(written: tuple[str, Page]) -> None:
    text, page = written
    links = [value for _, attrs in page.elements for key, value in attrs.items() if key in ("src", "href", "srcset")]
    assert links == ["data:,"]
    assert not re.search(r"@import|url\(|fetch\(|XMLHttpRequest|import\(", text)
    assert "default-src 'none'" in text


def test_it_says_what_was_found(written: tuple[str, Page], bench: Bench) -> None:
    text, page = written
    assert page.text["h1"] == "pentanary and ternary are not distinguishable."
    for words in ("3 seeds", "1\u2009839\u2009616 parameters", "commit 0123456789ab", "Example 9000", "2 January 2026"):
        assert words in text
    for name, arm in bench[1]["methods"].items():
        assert f'<td data-sort="{arm["mean"]["val_loss"]}">{arm["mean"]["val_loss"]:.3f}<small>' in text
        assert f"({name}, seed 2)" in text
    assert "gave exactly the validation loss of training" in " ".join(text.split())


def test_ids_are_unique_and_each_label_has_its_target(written: tuple[str, Page]) -> None:
    page = written[1]
    assert len(page.ids()) == len(set(page.ids()))
    for _, attrs in page.elements:
        assert attrs.get("aria-labelledby", page.ids()[0]) in page.ids()


def test_it_is_small(make_bench: Maker, tmp_path: Path) -> None:
    """Five methods by three seeds, logged and evaluated far more often than a picture can show."""
    make_bench(tmp_path, steps=6000, every=5)
    assert report(tmp_path).stat().st_size < 1_000_000


def test_strings_from_the_records_stay_text(make_bench: Maker, tmp_path: Path) -> None:
    summary = make_bench(tmp_path, methods=("pentanary", "ternary"), seeds=2, steps=40)

    def poison(node: Any) -> Any:
        if isinstance(node, dict):
            return {k: v if k in ("run", "metric") else poison(v) for k, v in node.items()}
        if isinstance(node, list):
            return [poison(v) for v in node]
        return node + EVIL if isinstance(node, str) else node

    evil = poison(summary)
    evil["methods"] = {name + EVIL: arm for name, arm in evil["methods"].items()}
    for arm in evil["methods"].values():
        arm["seeds"] = {seed + EVIL: result for seed, result in arm["seeds"].items()}
        for result in arm["seeds"].values():
            (tmp_path / result["run"] / "config.toml").write_text(EVIL, encoding="utf-8")
    (tmp_path / "summary.json").write_text(json.dumps(evil))
    text, page = load(report(tmp_path))
    assert [tag for tag, _ in page.elements].count("script") == 2
    assert not [tag for tag, attrs in page.elements if tag == "img" or "onerror" in attrs]
    assert data_of(text)["methods"][0]["name"] == "pentanary" + EVIL


def test_embedded_data_is_the_data() -> None:
    text = embed({"a": EVIL + "<!--"})
    assert not re.search("[<>&\u2028\u2029]", text)
    assert json.loads(text) == {"a": EVIL + "<!--"}


def test_curves_hold_the_metrics(bench: Bench, written: tuple[str, Page]) -> None:
    data = data_of(written[0])
    assert data["unit"] == "tokens"
    run = next(r for r in data["runs"] if (r["method"], r["seed"]) == ("ternary", "1"))
    assert run["valid"]["x"][-1] == bench[1]["tokens"]
    assert run["valid"]["y"][-1] == pytest.approx(bench[1]["methods"]["ternary"]["seeds"]["1"]["val_loss"], rel=1e-5)


def test_the_least_summary_has_a_page(tmp_path: Path) -> None:
    arm = {"mean": {"val_loss": 3.0}, "seeds": {"0": {"val_loss": 3.0}}}
    (tmp_path / "summary.json").write_text(json.dumps({"methods": {"mine": arm}}))
    text, page = load(report(tmp_path))
    assert page.text["h1"] == "No two methods were compared."
    assert {"forest", "curves", "levels", "samples"}.isdisjoint(page.ids()) and "bits" in page.ids()
    assert "One seed: the spread between seeds is unknown" in text


def test_a_run_that_diverged_is_named(make_bench: Maker, tmp_path: Path) -> None:
    make_bench(tmp_path, methods=("ternary",), seeds=1, steps=40)
    with (tmp_path / "runs/ternary/seed-0/metrics.jsonl").open("a") as file:
        file.write('{"step": 41, "train_loss": NaN}\n')
    assert "ternary with seed 0 diverged at step 41." in report(tmp_path).read_text(encoding="utf-8")


def test_a_run_that_failed_is_named(make_bench: Maker, tmp_path: Path) -> None:
    summary = make_bench(tmp_path, methods=("ternary",), seeds=2, steps=40)
    summary["methods"]["ternary"]["seeds"]["1"] = {"error": "step 7: the loss is nan."}
    (tmp_path / "summary.json").write_text(json.dumps(summary))
    assert "ternary with seed 1 has no result: step 7: the loss is nan." in report(tmp_path).read_text(encoding="utf-8")


def test_curves_of_a_part_of_the_split_say_so(make_bench: Maker, tmp_path: Path) -> None:
    words = "only a part of the validation split"
    summary = make_bench(tmp_path, methods=("ternary",), seeds=1, steps=40)
    assert words not in report(tmp_path).read_text(encoding="utf-8")
    summary["methods"]["ternary"]["seeds"]["0"]["val_loss"] += 0.01
    (tmp_path / "summary.json").write_text(json.dumps(summary))
    assert words in report(tmp_path).read_text(encoding="utf-8")


def test_a_level_that_no_weight_stands_on_is_an_empty_bar(make_bench: Maker, tmp_path: Path) -> None:
    summary = make_bench(tmp_path, methods=("pentanary",), seeds=2, steps=40)
    first, second = (summary["methods"]["pentanary"]["seeds"][seed] for seed in "01")
    first["occupancy"], second["occupancy"] = {"-1": 0.5, "0": 0.5}, {"0": 0.5, "1": 0.5}
    (tmp_path / "summary.json").write_text(json.dumps(summary))
    method = data_of(load(report(tmp_path))[0])["methods"][0]
    assert method["levels"] == [-2, -1, 0, 1, 2] and method["measured"] == [0, 0.25, 0.5, 0.25, 0]
    assert len(method["expected"]) == 5


def test_steps_stand_in_for_tokens(make_bench: Maker, tmp_path: Path) -> None:
    summary = make_bench(tmp_path, methods=("ternary",), seeds=1, steps=40)
    del summary["tokens"]
    (tmp_path / "summary.json").write_text(json.dumps(summary))
    data = data_of(load(report(tmp_path))[0])
    assert data["unit"] == "steps" and data["runs"][0]["valid"]["x"] == [0, 20, 40]


def test_records_that_cannot_be_read_are_named_and_nothing_is_written(make_bench: Maker, tmp_path: Path) -> None:
    with pytest.raises(MissingFileError, match=r"summary\.json"):
        report(tmp_path)
    summary = make_bench(tmp_path, methods=("ternary",), seeds=1, steps=40)
    run = tmp_path / "runs/ternary/seed-0"
    metrics = run / "metrics.jsonl"
    metrics.write_text("nonsense\n" + metrics.read_text())
    with pytest.raises(RecordError, match=r"seed-0.metrics\.jsonl: line 1 "):
        report(tmp_path)
    (run / "record.json").write_text("{")
    metrics.write_text('{"step":1}\n')
    with pytest.raises(RecordError, match=r"record\.json: not JSON"):
        report(tmp_path)
    shutil.rmtree(run)
    with pytest.raises(MissingFileError, match=r"metrics\.jsonl.*Run the bench again"):
        report(tmp_path)
    for place in ("../elsewhere", "/etc", 7):
        summary["methods"]["ternary"]["seeds"]["0"]["run"] = place
        (tmp_path / "summary.json").write_text(json.dumps(summary))
        with pytest.raises(RecordError, match=r"seeds\.0\.run: a path inside"):
            report(tmp_path)
    assert not (tmp_path / "report").exists()

"""What is drawn is what the records say; how it looks, a person has to judge."""

import dataclasses
import math
import sys
from collections.abc import Callable, Generator
from pathlib import Path
from typing import Any
from xml.etree import ElementTree

import pytest

from pentanet.errors import MissingExtraError
from pentanet.report.figures.canvas import encode, look
from pentanet.report.figures.curves import convergence, flips, inside
from pentanet.report.figures.draw import FIGURES, draw, draw_svg
from pentanet.report.figures.levels import occupancy
from pentanet.report.figures.losses import depth, forest, frontier
from pentanet.report.page import read
from pentanet.report.records import Bench, parse
from pentanet.report.runs import Run
from pentanet.report.theory import gaussian_occupancy

Made = tuple[Path, dict[str, Any]]
Records = tuple[Bench, list[Run]]


@pytest.fixture(autouse=True, scope="module")
def our_look() -> Generator[None]:
    with look():
        yield


@pytest.fixture(scope="module")
def plain(bench: Made) -> Records:
    return read(bench[0])


@pytest.fixture(scope="module")
def deep(depth_bench: Made) -> Records:
    return read(depth_bench[0])


def labels(figure: Any) -> dict[str, Any]:
    """Lines of the first panel by their label."""
    return {line.get_label(): line for line in figure.axes[0].get_lines() if not line.get_label().startswith("_")}


def test_three_formats_of_what_there_is_to_show(make_bench: Callable[..., dict[str, Any]], tmp_path: Path) -> None:
    make_bench(tmp_path, methods=("ternary",), seeds=1, steps=40)
    bench, runs = read(tmp_path)
    files = draw(bench, runs, tmp_path / "figures")
    shown = [name for name in FIGURES if name not in ("differences", "depth")]  # one method at one depth
    assert [p.name for p in files] == [f"{name}.{form}" for name in shown for form in ("svg", "pdf", "png")]
    for path in files:
        start = path.read_bytes()[:8]
        assert start.startswith({".svg": b"<?xml", ".pdf": b"%PDF", ".png": b"\x89PNG"}[path.suffix])
    png = files[2].read_bytes()
    per_metre = int.from_bytes(png[png.index(b"pHYs") + 4 :][:4])
    assert round(per_metre * 0.0254) == 300


def test_the_same_records_give_the_same_bytes(plain: Records) -> None:
    for form in ("svg", "pdf"):
        assert encode(convergence(*plain), form) == encode(convergence(*plain), form)


def test_convergence_draws_means_over_seeds_after_the_first_fall(plain: Records) -> None:
    bench, runs = plain
    drawn = labels(convergence(bench, runs))
    assert list(drawn) == [arm.name for arm in bench.arms]
    x, y = drawn["ternary"].get_data()
    ends = [run.curves.valid[-1][1] for run in runs if run.method == "ternary"]
    assert x[0] >= 0.05 * x[-1] and x[-1] == bench.facts["tokens"]
    assert y[-1] == pytest.approx(math.fsum(ends) / 3)


def test_a_run_that_was_evaluated_twice_is_drawn_whole(
    make_bench: Callable[..., dict[str, Any]], tmp_path: Path
) -> None:
    make_bench(tmp_path, methods=("ternary",), seeds=1, steps=40, every=40)
    assert list(labels(convergence(*read(tmp_path)))["ternary"].get_xdata()) == [0, 40 * 2048]


def test_a_panel_per_depth(deep: Records) -> None:
    figure = convergence(*deep)
    assert [panel.get_title(loc="left") for panel in figure.axes] == ["4 layers", "12 layers", "24 layers"]
    assert list(labels(figure)) == ["ternary", "pentanary"]


def test_flips_are_of_methods_with_a_grid(plain: Records) -> None:
    assert list(labels(flips(*plain))) == ["bitnet-seed", "pentanet-seed", "ternary", "pentanary"]


def test_occupancy_has_the_gaussian_line(plain: Records) -> None:
    panels = {panel.get_title(loc="left"): panel for panel in occupancy(*plain).axes}
    assert list(panels) == ["bitnet-seed", "pentanet-seed", "ternary", "pentanary"]
    arm = plain[0].arm("pentanary")
    assert arm
    bars = [bar.get_height() for bar in panels["pentanary"].patches]
    assert bars == pytest.approx([100 * share for share in arm.occupancy().values()])
    (lines,) = panels["pentanary"].collections
    heights = [segment[0][1] for segment in lines.get_segments()]
    assert heights == pytest.approx([100 * share for share in gaussian_occupancy("pentanary").values()])


def test_depth_draws_losses_and_differences(deep: Records) -> None:
    bench = deep[0]
    figure = depth(*deep)
    means = [arm.mean["val_loss"] for arm in bench.arms if arm.series == "pentanary"]
    assert labels(figure)["pentanary"].get_ydata() == pytest.approx(means)
    found = {line.get_label(): line for line in figure.axes[1].get_lines()}
    assert found["pentanary \u2212 ternary"].get_ydata() == pytest.approx([d.difference for d in bench.losses])
    assert [tick.get_text() for tick in figure.axes[1].get_xticklabels()] == ["4", "12", "24"]


def test_frontier_is_over_the_size_of_the_file(plain: Records, deep: Records) -> None:
    figure = frontier(*plain)
    assert figure.axes[0].get_xscale() == "log"
    for arm in plain[0].arms:
        (x,), (y,) = labels(figure)[arm.name].get_data()
        assert (x, y) == pytest.approx((arm.mean["bytes"], arm.mean["val_loss"]))
    assert frontier(*deep) is None and depth(*plain) is None


def test_a_suite_over_file_sizes_has_a_line_per_method_and_a_panel_of_coded_sizes(plain: Records) -> None:
    bench = plain[0]
    arms = [
        dataclasses.replace(
            arm, name=f"{arm.name}-{size}", size=size, mean={**arm.mean, "bytes": 1e5 * n, "coded_bytes": 9e4 * n}
        )
        for arm in bench.arms
        for n, size in enumerate("sml", 1)
    ]
    figure = frontier(dataclasses.replace(bench, arms=tuple(arms)), [])
    for panel, unit in zip(figure.axes, (1e5, 9e4), strict=True):
        lines = {line.get_label(): line for line in panel.get_lines()}
        assert list(lines["ternary"].get_xdata()) == pytest.approx([unit, 2 * unit, 3 * unit])


def test_differences_stand_in_the_order_of_the_losses(plain: Records) -> None:
    bench = plain[0]
    figure = forest(*plain)
    assert [panel.get_title(loc="left") for panel in figure.axes] == [f"minus {c}" for c in bench.controls]
    names = [tick.get_text() for tick in figure.axes[0].get_yticklabels()]
    assert names == sorted(names, key=lambda n: bench.arm(n).mean["val_loss"])  # type: ignore[union-attr]
    d = next(d for d in bench.losses if (d.method, d.control) == ("pentanary", "ternary"))
    bar = next(line for line in figure.axes[1].get_lines() if list(line.get_xdata()) == [d.low, d.high])
    assert list(bar.get_ydata()) == [names.index("pentanary")] * 2


def test_inside_has_two_panels_for_each_measure(plain: Records) -> None:
    figure = inside(*plain)
    assert len(figure.axes) == 2 * 7
    assert [panel.get_title(loc="left") for panel in figure.axes[::2]][:2] == ["flip rate", "dead zone"]
    assert list(figure.axes[11].get_lines()[0].get_xdata()) == [0, 1, 2, 3]


def test_records_without_runs_have_fewer_figures(tmp_path: Path) -> None:
    arm = {"mean": {"val_loss": 3.0}, "seeds": {"0": {"val_loss": 3.0}}}
    assert draw_svg(parse({"methods": {"mine": arm}}), []) == {}


def test_names_from_the_records_stay_text(make_bench: Callable[..., dict[str, Any]], tmp_path: Path) -> None:
    """Neither markup nor the mathematics that matplotlib reads between dollar signs."""
    summary = make_bench(tmp_path, methods=("ternary",), seeds=1, steps=40)
    summary["methods"]["<b> $\\oops{$ &"] = summary["methods"].pop("ternary")
    bench, runs = parse(summary), read(tmp_path)[1]
    drawn = draw_svg(bench, runs)
    assert set(drawn) == {"convergence", "occupancy", "frontier", "flips", "inside"}
    for data in drawn.values():
        ElementTree.fromstring(data)  # markup in a name would not be well-formed
    assert any(b"oops" in data for data in drawn.values())


def test_without_matplotlib_the_extra_is_named(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(sys.modules, "matplotlib", None)
    with pytest.raises(MissingExtraError, match=r"pip install 'pentanet\[report\]'"), look():
        pass


def test_in_a_crowd_the_known_methods_keep_their_colours(plain: Records) -> None:
    bench, runs = plain
    arm = bench.arms[3]
    assert arm.name == "ternary"
    extra = [dataclasses.replace(arm, name=f"x{i}", series=f"x{i}", method=f"x{i}") for i in range(9)]
    copies = [dataclasses.replace(run, method=a.name) for run in runs if run.method == "ternary" for a in extra]
    crowd = dataclasses.replace(bench, arms=(*bench.arms, *extra)), [*runs, *copies]
    assert list(labels(convergence(*crowd))) == [*(arm.name for arm in bench.arms), "others"]
    assert {line.get_label() for line in inside(*crowd).axes[9].get_lines()} == {arm.name for arm in bench.arms}

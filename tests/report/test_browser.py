"""The page in a real browser: chromium runs a copy of it with a script that clicks, and prints what became of it."""

import json
import re
import shutil
import subprocess
from collections.abc import Callable
from html import unescape
from pathlib import Path
from typing import Any

import pytest

from pentanet.report import report

Bench = tuple[Path, dict[str, Any]]
CHROMIUM = next(filter(None, map(shutil.which, ("chromium", "chromium-browser", "google-chrome"))), None)
pytestmark = pytest.mark.skipif(CHROMIUM is None, reason="needs chromium or google-chrome on PATH")
POLICY = re.compile(r'<meta http-equiv="Content-Security-Policy"[^>]*>')


def browse(page: Path, profile: Path) -> tuple[str, str]:
    """The document after its scripts, and what the browser said on its console."""
    assert CHROMIUM
    command = [CHROMIUM, "--headless", "--no-sandbox", "--disable-gpu", "--disable-dev-shm-usage", "--no-first-run"]
    command += ["--disable-background-networking", "--disable-component-update", "--disable-sync"]
    command += [f"--user-data-dir={profile}", "--window-size=1200,900", "--virtual-time-budget=2000"]
    command += ["--enable-logging=stderr", "--dump-dom", page.as_uri()]
    done = subprocess.run(command, capture_output=True, text=True, encoding="utf-8", timeout=90, check=True)
    return done.stdout, "\n".join(line for line in done.stderr.splitlines() if ":CONSOLE" in line)


@pytest.fixture(scope="module")
def clicked(bench: Bench, tmp_path_factory: pytest.TempPathFactory) -> Callable[[str], Any]:
    """Runs statements in a copy of the page; gives what they leave in `result`."""
    folder = tmp_path_factory.mktemp("browser")
    # The page's own policy forbids every script but its own, this one too.
    source = POLICY.sub("", report(bench[0]).read_text(encoding="utf-8"))

    def run(statements: str) -> Any:
        script = f"""<script>
        const all = (s) => [...document.querySelectorAll(s)];
        const names = (s) => all(s).map((node) => node.dataset.method);
        let result; {statements}
        document.body.dataset.result = JSON.stringify(result);
        </script></body>"""
        page = folder / "copy.html"
        page.write_text(source.replace("</body>", script), encoding="utf-8")
        document, console = browse(page, folder / "profile")
        found = re.search(r'data-result="([^"]*)"', document)
        assert found, console
        return json.loads(unescape(found[1]))

    return run


def test_it_draws_without_a_complaint(bench: Bench, tmp_path: Path) -> None:
    document, console = browse(report(bench[0]), tmp_path)
    assert console == ""
    # A loss each; of those on a grid the flip rate, and the first measure over time and by block.
    assert document.count('class="curve"') == 5 + 4 + 2 * 4
    assert document.count('class="bar"') == 2 * 3 + 2 * 5 == document.count('class="expected"')
    assert "NaN" not in document.split("</main>")[0]


def test_little_draws_without_a_complaint(make_bench: Callable[..., dict[str, Any]], tmp_path: Path) -> None:
    """One seed, one control, no run directory: every figure has less than it is made for."""
    summary = make_bench(tmp_path, methods=("full-precision", "lsq-pentanary", "ternary"), seeds=1, steps=40)
    del summary["methods"]["ternary"]["seeds"]["0"]["run"]
    (tmp_path / "summary.json").write_text(json.dumps(summary))
    document, console = browse(report(tmp_path), tmp_path / "profile")
    assert console == "" and "NaN" not in document.split("</main>")[0]
    assert document.count('class="curve"') == 2 + 1 + 2 * 1 and "one seed" in document


def test_it_loads_nothing_and_is_no_wider_than_the_window(clicked: Callable[[str], Any]) -> None:
    result = clicked(
        "result = [performance.getEntriesByType('resource').length,"
        " document.documentElement.scrollWidth - document.documentElement.clientWidth];"
    )
    assert result == [0, 0]


def test_the_policy_lets_no_other_script_run(bench: Bench, tmp_path: Path) -> None:
    page = tmp_path / "foreign.html"
    source = report(bench[0]).read_text(encoding="utf-8")
    page.write_text(source.replace("</body>", "<script>document.title = 'foreign'</script></body>"), encoding="utf-8")
    document, console = browse(page, tmp_path / "profile")
    assert "<title>foreign" not in document and "Content Security Policy" in console


def test_a_click_sorts_and_another_one_turns_it_round(clicked: Callable[[str], Any], bench: Bench) -> None:
    result = clicked(
        "const order = () => names('tbody tr'), button = all('thead button')[1];"
        "result = [order()]; button.click(); result.push(order()); button.click(); result.push(order());"
        "result.push(button.parentNode.getAttribute('aria-sort'));"
    )
    methods = bench[1]["methods"]
    by_loss = sorted(methods, key=lambda name: methods[name]["mean"]["val_loss"])
    assert result == [list(methods), by_loss, by_loss[::-1], "descending"] and by_loss != list(methods)


def test_what_has_no_value_sorts_to_the_end(clicked: Callable[[str], Any]) -> None:
    flips = "const b = all('thead button').find((b) => b.textContent === 'Flip rate'); result = [];"
    result = clicked(f"{flips} for (const _ of 'ab') {{ b.click(); result.push(names('tbody tr').at(-1)); }}")
    assert result == ["full-precision", "full-precision"]


def test_filters_hide_curves_and_bring_them_back(clicked: Callable[[str], Any]) -> None:
    result = clicked(
        "const shown = () => names('#loss .curve'); const d = () => all('#loss .curve')[0].getAttribute('d');"
        "const full = d(); result = [shown().length];"
        "all('.chip[data-method=ternary]')[0].click(); result.push(shown());"
        "all('.chip[data-seed=\"1\"]')[0].click(); result.push(d() !== full, all('#flips .curve').length);"
        "for (const seed of [0, 2]) all(`.chip[data-seed='${seed}']`)[0].click(); result.push(shown().length);"
        "all('.reset')[0].click(); result.push(shown().length, d() === full, all('.reset')[0].hidden);"
    )
    others = ["full-precision", "bitnet-seed", "pentanet-seed", "pentanary"]
    assert result == [5, others, True, 3, 0, 5, True, True]


def test_axes_and_curve_can_be_chosen(clicked: Callable[[str], Any]) -> None:
    result = clicked(
        "const d = () => all('#loss .curve')[0].getAttribute('d'); result = [d()];"
        "const picks = [['curve', 'train'], ['token axis', 'log'], ['loss axis', 'log'], ['show', 'all']];"
        "for (const [pick, value] of picks) {"
        "  all(`[data-pick='${pick}'] [data-value=${value}]`)[0].click(); result.push(d()); }"
    )
    assert len(set(result)) == 5 and not any("NaN" in d or "Infinity" in d for d in result)


def test_the_cursor_reads_every_curve(clicked: Callable[[str], Any], bench: Bench) -> None:
    result = clicked(
        "const key = (k) => all('#loss svg')[0].dispatchEvent(new KeyboardEvent('keydown', { key: k }));"
        "key('ArrowLeft'); const box = all('#loss .readout')[0]; result = [box.hidden, box.innerText];"
        "key('Escape'); result.push(box.hidden);"
    )
    assert result[0] is False and result[2] is True
    assert result[1].startswith(f"{bench[1]['tokens']:,} tokens".replace(",", "\u2009"))
    for name, arm in bench[1]["methods"].items():
        assert re.search(rf"{name}\s+{arm['mean']['val_loss']:.3f}\b", result[1])


def test_samples_of_another_seed(clicked: Callable[[str], Any]) -> None:
    shown = "all('#samples .card p').filter((p) => !p.hidden).map((p) => p.dataset.seed)"
    result = clicked(f"result = [{shown}]; all('#samples [data-value=\"2\"]')[0].click(); result.push({shown});")
    assert result == [["0"] * 5, ["2"] * 5]


def test_a_measure_inside_the_blocks_can_be_chosen(clicked: Callable[[str], Any]) -> None:
    result = clicked(
        "const seen = () => [names('#over-time .curve').length, names('#by-block .curve').length,"
        " all('#heat .cell').length, all('#measure-note')[0].innerText.slice(0, 22)];"
        "result = [seen()]; all('#inside [data-value=residual]')[0].click(); result.push(seen());"
        "const heat = all('#heat-method')[0]; heat.value = 'full-precision'; heat.dispatchEvent(new Event('change'));"
        "result.push(seen()); all('#inside [data-value=dead]')[0].click(); result.push(seen());"
        "all('.chip[data-method=ternary]')[0].click(); result.push(seen()); all('.reset')[0].click();"
    )
    assert result[0][:3] == [4, 4, 4 * 10] and result[0][3].startswith("Share of the quantized")
    assert result[1][:3] == [5, 5, 4 * 11] == result[2][:3] and result[1][3] == "Root mean square of the"[:22]
    assert result[3][:3] == [4, 4, 0] and result[4][:3] == [3, 3, 0]


def test_nothing_is_drawn_with_a_negative_size(clicked: Callable[[str], Any]) -> None:
    """A figure that is hidden, or that has more columns than points on the screen, has no width to share."""
    result = clicked(
        "const narrow = (w) => { document.body.style.width = w; dispatchEvent(new Event('resize')); };"
        "for (const id of ['levels', 'heat']) all(`#${id}`)[0].style.display = 'none';"
        "narrow('500px'); narrow('60px');"
        "const sizes = all('rect').flatMap((r) => [r.getAttribute('width'), r.getAttribute('height')]);"
        "const boxes = all('svg').flatMap((s) => s.getAttribute('viewBox').split(' '));"
        "result = Math.min(...sizes, ...boxes);"
    )
    assert result >= 0


def test_blocks_are_whole_numbers_on_their_axis(clicked: Callable[[str], Any]) -> None:
    result = clicked("result = all('#by-block text[text-anchor=middle]').map((t) => t.textContent);")
    assert result == ["0", "1", "2", "3", "block"]


def test_a_difference_that_rounds_to_nothing_has_no_sign(
    make_bench: Callable[..., dict[str, Any]], tmp_path: Path
) -> None:
    summary = make_bench(tmp_path, methods=("full-precision", "pentanary"), seeds=1, steps=40)
    summary["comparisons"][0] |= {"difference": -0.0001, "low": -0.0004, "high": 0.0002}
    (tmp_path / "summary.json").write_text(json.dumps(summary))
    document, _ = browse(report(tmp_path), tmp_path / "profile")
    forest = document.split('id="forest"')[1].split("</figure>")[0]
    assert ">0.000 [0.000, 0.000]<" in forest


def test_depths_have_a_line_per_method_and_a_row_per_depth(
    depth_bench: tuple[Path, dict[str, Any]], tmp_path: Path
) -> None:
    document, console = browse(report(depth_bench[0]), tmp_path)
    assert console == "" and "NaN" not in document.split("</main>")[0]
    plot = document.split('id="depth-plot"')[1].split("<figcaption")[0]
    assert plot.count('class="curve"') == 2 and plot.count('class="fill"') == 2 * 3
    forest = document.split('id="forest"')[1].split("</figure>")[0]
    assert re.findall(r">(\d+ layers)<", forest) == ["4 layers", "12 layers", "24 layers"]
    # Three sizes of two methods: the file size comes first, and a line joins the sizes of each.
    scatter = document.split('id="scatter"')[1].split("<figcaption")[0]
    assert "size of the file" in scatter and scatter.count('class="curve"') == 2

"""How far work is, in a terminal and elsewhere."""

from __future__ import annotations

import io

import pytest
from rich.console import Console

from pentanet.cli import progress


def console(*, terminal: bool) -> Console:
    return Console(file=io.StringIO(), force_terminal=terminal, width=200, color_system=None, legacy_windows=False)


def written(found: Console) -> str:
    assert isinstance(found.file, io.StringIO)
    return found.file.getvalue()


def test_where_nobody_watches_a_line_comes_now_and_then(monkeypatch: pytest.MonkeyPatch) -> None:
    now = 0.0
    monkeypatch.setattr(progress.time, "monotonic", lambda: now)
    out = console(terminal=False)
    with progress.bars(out) as bars:
        task = bars.add_task("[bold]quantize", total=134_515_008, note="")
        for step in range(100):
            now = float(step)
            bars.update(task, completed=step * 1_345_150, note="layer 3" if step > 50 else "")
    assert written(out).splitlines() == [
        "quantize: 40.4 M/135 M",
        "quantize: 80.7 M/135 M, layer 3",
        "quantize: 121 M/135 M, layer 3",
    ]


def test_short_work_says_nothing_where_nobody_watches() -> None:
    out = console(terminal=False)
    with progress.bars(out) as bars:
        bars.update(bars.add_task("work", total=3, note=""), completed=3)
    assert written(out) == ""


def test_small_numbers_are_exact_and_shares_are_percent() -> None:
    out = console(terminal=True)
    with progress.bars(out) as bars:
        bars.update(bars.add_task("train", total=20_000, note="loss 3.1"), completed=1234)
        bars.update(bars.add_task("finetune", total=1.0, note="", percent=True), completed=0.375)
    assert "1234/20000" in written(out)
    assert "loss 3.1" in written(out)
    assert "37.5 %" in written(out)


@pytest.mark.parametrize("completed", [0, 1])
def test_a_bar_of_nothing_does_not_stay_above_an_error(completed: int) -> None:
    out = console(terminal=True)

    def work() -> None:
        with progress.bars(out) as bars:
            bars.update(bars.add_task("work", total=3, note=""), completed=completed)
            raise ValueError("broken")

    with pytest.raises(ValueError, match="broken"):
        work()
    erased = written(out).rstrip().endswith("\x1b[2K")  # the escape that clears a line comes last
    assert erased is (completed == 0)

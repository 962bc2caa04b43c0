from pathlib import Path

import pytest

from pentanet.errors import RecordError
from pentanet.report.metrics import MAX_POINTS, Curves, average, read_curves, thin


def read(folder: Path, text: str) -> Curves:
    path = folder / "metrics.jsonl"
    path.write_text(text)
    return read_curves(path)


def test_reads_each_column_by_step(tmp_path: Path) -> None:
    curves = read(
        tmp_path,
        '{"step":2,"train_loss":3.5,"tokens":200}\n\n{"step":1,"train_loss":4}\n{"step":4,"val_loss":3,"flip_rate":0.1}\n',
    )
    assert curves.train == [(1, 4.0), (2, 3.5)]
    assert curves.valid == [(4, 3.0)] and curves.flips == [(4, 0.1)]
    assert curves.last_step == 4 and curves.tokens == 400 and curves.diverged is None


def test_a_resumed_run_overwrites_the_steps_it_repeats(tmp_path: Path) -> None:
    curves = read(tmp_path, '{"step":1,"train_loss":4}\n{"step":2,"train_loss":9}\n{"step":2,"train_loss":3}\n')
    assert curves.train == [(1, 4.0), (2, 3.0)]


def test_a_loss_that_is_not_finite_is_where_it_diverged(tmp_path: Path) -> None:
    curves = read(tmp_path, '{"step":1,"train_loss":4}\n{"step":5,"train_loss":NaN}\n{"step":6,"val_loss":null}\n')
    assert curves.diverged == 5 and curves.train == [(1, 4.0)] and curves.valid == []


def test_no_flip_rate_is_no_divergence(tmp_path: Path) -> None:
    assert read(tmp_path, '{"step":1,"val_loss":4,"flip_rate":null}\n').diverged is None


def test_a_torn_last_line_is_what_a_killed_run_leaves(tmp_path: Path) -> None:
    assert read(tmp_path, '{"step":1,"train_loss":4}\n{"step":2,"tra').last_step == 1


@pytest.mark.parametrize("line", ['{"step":1,', "[1]", '{"train_loss":1}', '{"step":"1"}', "\x00"])
def test_a_broken_line_is_named(tmp_path: Path, line: str) -> None:
    with pytest.raises(RecordError, match=r"metrics\.jsonl: line 2 "):
        read(tmp_path, f'{{"step":1,"train_loss":4}}\n{line}\n{{"step":3,"train_loss":2}}\n')


@pytest.mark.parametrize("reduce", [thin, average])
@pytest.mark.parametrize("length", [0, 1, MAX_POINTS, MAX_POINTS + 1, 12_345])
def test_thinning_keeps_the_end_and_the_limit(reduce: object, length: int) -> None:
    series = [(step, 1.0 + step) for step in range(length)]
    steps, values = reduce(series, length)  # type: ignore[operator]
    assert len(steps) == len(values) <= MAX_POINTS + 1
    assert steps[-1:] == ([length - 1] if length else [])


def test_averaging_keeps_the_mean() -> None:
    _, values = average([(step, float(step % 2)) for step in range(4000)], 4000)
    assert set(values) == {0.5}

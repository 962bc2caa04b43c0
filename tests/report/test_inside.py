from typing import Any

from pentanet.report.inside import MEASURES, read_inside

BY_KEY = {measure.key: measure for measure in MEASURES}
ROWS: list[dict[str, Any]] = [
    {"step": 0, "layers": {"name": ["0", "1", "head"], "flip_rate": [None, None, None], "dead": [0.1, 0.3, 0.5]}},
    {"step": 5, "train_loss": 3.0},
    {
        "step": 10,
        "layers": {"name": ["0", "1", "head"], "flip_rate": [0.01, 0.03, 0.02], "dead": [0.2, 0.4, float("nan")]},
        "residual": [2.0, 3.0, 5.0],
        "gradient_rank": {"blocks.0.q": 4.0, "blocks.0.k": 6.0, "blocks.1.v": 3.0, "head": 9.0},
    },
]


def test_columns_become_series_by_block() -> None:
    table = read_inside(ROWS).table
    assert table["dead"] == {"0": [(0, 0.1), (10, 0.2)], "1": [(0, 0.3), (10, 0.4)], "head": [(0, 0.5)]}
    assert table["flip_rate"] == {"0": [(10, 0.01)], "1": [(10, 0.03)], "head": [(10, 0.02)]}
    assert table["residual"] == {"0": [(10, 1.5)], "1": [(10, 2.5)]}
    assert table["gradient_rank"] == {"0": [(10, 5.0)], "1": [(10, 3.0)], "head": [(10, 9.0)]}


def test_over_time_is_the_mean_and_for_the_residual_the_last_block() -> None:
    inside = read_inside(ROWS)
    assert [(s, round(v, 9)) for s, v in inside.over_time(BY_KEY["dead"])] == [(0, 0.3), (10, 0.3)]
    assert inside.over_time(BY_KEY["residual"]) == [(10, 2.5)]
    assert inside.at_the_end(BY_KEY["dead"]) == [(0, 0.2), (1, 0.4)]


def test_records_without_the_columns_or_with_others_have_nothing() -> None:
    bad: list[dict[str, Any]] = [
        {"step": 1},
        {"step": 2, "layers": [1], "residual": "x", "gradient_rank": None},
        {"step": 3, "layers": {"name": 1, "dead": "many"}, "residual": [0.0, 1.0], "gradient_rank": {"a": "b"}},
    ]
    inside = read_inside(bad)
    assert inside.table == {} and inside.over_time(MEASURES[0]) == [] == inside.at_the_end(MEASURES[0])

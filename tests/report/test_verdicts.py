from dataclasses import asdict
from typing import Any

import pytest

from pentanet.bench.statistics import compare
from pentanet.report.records import Bench, parse
from pentanet.report.verdicts import by_control, evidence, headline, plain, sentence


def made(*values: tuple[str, str, list[float], list[float]], **more: Any) -> Bench:
    """A bench with these comparisons: method, control, and losses by seed."""
    rows = [
        asdict(compare(m, c, "val_loss", dict(enumerate(map(float, a))), dict(enumerate(map(float, b)))))  # type: ignore[arg-type]
        for m, c, a, b in values
    ]
    arm = {"mean": {}, "seeds": {}}
    return parse({"methods": {"pentanary": arm}, "comparisons": [{**row, **more} for row in rows]})


@pytest.mark.parametrize(
    ("a", "b", "says", "numbers"),
    [
        ([1.0, 1.1, 1.2], [2.0, 2.1, 2.2], "a lower validation loss than ternary", "-1.000 nats"),
        ([2.0, 2.1, 2.2], [1.0, 1.1, 1.2], "a higher validation loss than ternary", "3 seeds"),
        ([1.0, 1.3, 0.9], [1.1, 1.0, 1.2], "not distinguishable", "95 % interval"),
        ([1.0], [2.0], "one seed, so nothing can be said", "-1.000 nats, 1 seed"),
        ([], [2.0], "no seed in common", ""),
    ],
)
def test_a_verdict_in_words(a: list[float], b: list[float], says: str, numbers: str) -> None:
    top = headline(made(("pentanary", "ternary", a, b)))
    assert top is not None
    assert says in sentence(top) and numbers in plain(evidence(top))


def test_a_verdict_that_falls_to_holm_says_so() -> None:
    bench = made(("pentanary", "ternary", [1.0, 1.1, 1.2], [2.0, 2.1, 2.2]), p_holm=0.2)
    assert "not after Holm's correction" in evidence(bench.losses[0])
    assert by_control(bench) == [("ternary", "pentanary lower (not after Holm's correction)")]


def test_the_fair_duel_stands_on_top() -> None:
    same = [1.0, 2.0]
    bench = made(("binary", "ternary", same, same), ("pentanary", "ternary", same, same))
    assert headline(bench) is bench.losses[1]
    assert headline(made(("binary", "ternary", same, same))) is not None
    assert headline(made()) is None


def test_endings_are_grouped() -> None:
    low, high, c = [1.0, 1.1, 1.2], [3.0, 3.1, 3.2], [2.0, 2.1, 2.2]
    bench = made(*((name, "ternary", low, c) for name in "xyz"), ("w", "ternary", high, c))
    assert by_control(bench) == [("ternary", "x, y and z lower; w higher")]

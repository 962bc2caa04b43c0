"""Training windows against numpy's reference, and evaluation windows against the stream."""

from __future__ import annotations

import json

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from pentanet.data.batches import EpochWindows, RandomWindows, evaluation_windows
from pentanet.data.dataset import TokenStream
from pentanet.errors import CheckpointError, ConfigError, TextTooShortError

Make = type[RandomWindows] | type[EpochWindows]
BOTH = [RandomWindows, EpochWindows]


def stream(tokens: int) -> TokenStream:
    return TokenStream(np.arange(tokens, dtype=np.uint16), "some/train.bin")


def test_gaps_are_those_of_the_publications_evaluations() -> None:
    """Its loop draws batches from the training windows at each evaluation, which comes after step 1, 4, 7, ... here."""

    def make() -> RandomWindows:
        return RandomWindows(stream(100), 3, 5, 7, skip=2, every=3)

    reference, windows, resumed = np.random.RandomState(7), make(), make()
    for step in range(9):
        starts = reference.randint(0, 95, (3,))
        assert windows.next()[0][:, 0].tolist() == resumed.next()[0][:, 0].tolist() == starts.tolist()
        if step % 3 == 0:
            for _ in range(2):
                reference.randint(0, 95, (3,))
        resumed = make()
        resumed.restore(json.loads(json.dumps(windows.state())))
    with pytest.raises(CheckpointError, match="another run"):
        RandomWindows(stream(100), 3, 5, 7).restore({**windows.state(), "kind": "epoch"})


def test_random_windows_are_the_publications() -> None:
    tokens = (np.arange(5000) * 7919 % 65521).astype(np.uint16)
    windows = RandomWindows(TokenStream(tokens, "t"), 8, 512, 1337)
    reference = np.random.RandomState(1337)
    for _ in range(5):
        starts = reference.randint(0, len(tokens) - 512, 8)
        x, y = windows.next()
        assert x.dtype == y.dtype == np.int64
        assert np.array_equal(x, [tokens[i : i + 512] for i in starts])
        assert np.array_equal(y, [tokens[i + 1 : i + 513] for i in starts])


@settings(deadline=None)  # a busy machine is no failure
@given(st.integers(2, 300), st.integers(1, 9), st.integers(1, 12), st.integers(0, 99))
def test_an_epoch_has_every_window_once(tokens: int, batch: int, context: int, seed: int) -> None:
    if tokens <= context:
        return
    windows = EpochWindows(stream(tokens), batch, context, seed)
    epochs = 3
    rows = [row for _ in range(-(-epochs * windows.per_epoch // batch)) for row in windows.next()[0]]
    starts = [int(row[0]) for row in rows]
    everything = list(range(0, (tokens - 1) // context * context, context))
    for epoch in range(epochs):
        assert sorted(starts[epoch * windows.per_epoch :][: windows.per_epoch]) == everything
    assert all(np.array_equal(row, np.arange(row[0], row[0] + context)) for row in rows)


def test_epochs_differ_and_seeds_differ() -> None:
    def order(seed: int) -> list[list[int]]:
        windows = EpochWindows(stream(401), 40, 10, seed)
        return [windows.next()[0][:, 0].tolist() for _ in range(2)]

    first, second = order(0)
    assert first != second
    assert first != sorted(first)
    assert order(1)[0] != first
    assert order(0) == [first, second]


@pytest.mark.parametrize("make", BOTH)
@settings(deadline=None)  # a busy machine is no failure
@given(
    sizes=st.tuples(st.integers(30, 400), st.integers(1, 7), st.integers(1, 29), st.integers(0, 2**32 - 1)),
    before=st.integers(0, 30),
    after=st.integers(1, 10),
)
def test_restore_continues_to_the_token(make: Make, sizes: tuple[int, int, int, int], before: int, after: int) -> None:
    tokens, *rest = sizes
    windows = make(stream(tokens), *rest)
    for _ in range(before):
        windows.next()
    state = json.loads(json.dumps(windows.state()))
    expected = [windows.next() for _ in range(after)]
    resumed = make(stream(tokens), *rest)
    resumed.next()
    resumed.restore(state)
    assert resumed.state() == state
    for want, got in zip(expected, (resumed.next() for _ in range(after)), strict=True):
        assert np.array_equal(want[0], got[0])
        assert np.array_equal(want[1], got[1])


def test_restore_far_ahead(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("pentanet.data.batches._REDRAW", 7)
    windows = RandomWindows(stream(100), 3, 5, 0)
    for _ in range(50):
        windows.next()
    resumed = RandomWindows(stream(100), 3, 5, 0)
    resumed.restore(windows.state())
    assert np.array_equal(resumed.next()[0], windows.next()[0])


@pytest.mark.parametrize("make", BOTH)
@pytest.mark.parametrize("change", [{"seed": 1}, {"batch": 3}, {"context": 6}, {"tokens": 99}, {"kind": "x"}])
def test_restore_refuses_another_run(make: Make, change: dict[str, object]) -> None:
    windows = make(stream(100), 2, 5, 0)
    with pytest.raises(CheckpointError, match=f"train.bin.*another run: {next(iter(change))} was"):
        windows.restore({**windows.state(), **change})


@pytest.mark.parametrize("drawn", [-1, None, "3", 2.5])
def test_restore_refuses_nonsense(drawn: object) -> None:
    windows = EpochWindows(stream(100), 2, 5, 0)
    with pytest.raises(CheckpointError, match="not a number of windows"):
        windows.restore({**windows.state(), "drawn": drawn})


@pytest.mark.parametrize("make", BOTH)
def test_stream_shorter_than_a_window(make: Make) -> None:
    x, y = make(stream(33), 4, 32, 0).next()
    assert np.array_equal(x, [range(32)] * 4)
    assert np.array_equal(y, [range(1, 33)] * 4)
    with pytest.raises(TextTooShortError, match=r"some/train\.bin: 32 tokens.*context 32 needs 33"):
        make(stream(32), 4, 32, 0)


@pytest.mark.parametrize("make", BOTH)
@pytest.mark.parametrize(("batch", "context"), [(0, 5), (2, 0)])
def test_sizes_below_one(make: Make, batch: int, context: int) -> None:
    with pytest.raises(ConfigError, match="at least 1"):
        make(stream(100), batch, context, 0)


@settings(deadline=None)  # a busy machine is no failure
@given(st.integers(2, 500), st.integers(1, 40), st.integers(1, 6))
def test_evaluation_covers_every_target_once(tokens: int, context: int, batch: int) -> None:
    seen: list[int] = []
    for x, y, mask in evaluation_windows(stream(tokens), context, batch):
        assert x.shape == y.shape == mask.shape
        assert x.shape[1] == context
        assert 1 <= len(x) <= batch
        assert mask.any(axis=1).all(), "no row is padding alone"
        assert np.array_equal(y[mask], x[mask] + 1)
        seen += y[mask].tolist()
    assert seen == list(range(1, tokens))


def test_evaluation_of_a_single_token() -> None:
    with pytest.raises(TextTooShortError, match="1 tokens"):
        list(evaluation_windows(stream(1), 8))

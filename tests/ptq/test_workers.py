"""Work that is shared out gives the same, in the same order, and stops where it should."""

from __future__ import annotations

import threading
import time

import pytest
import torch

from pentanet.errors import ConfigError
from pentanet.ptq import run
from pentanet.ptq.calibrate import windows_of
from pentanet.ptq.config import QuantizeConfig
from pentanet.ptq.mixed_text import CalibrationText
from pentanet.ptq.workers import BESIDE, Workers
from pentanet.sources.open import open_source

IDS = torch.randint(0, 270, (400,), generator=torch.Generator().manual_seed(0)).tolist()


@pytest.mark.parametrize("count", [1, 3])
def test_order_threads_and_what_torch_sees(count, request):
    before = torch.get_num_threads()
    request.addfinalizer(lambda: torch.set_num_threads(before))
    torch.set_num_threads(2)
    seen = set()

    def work(item):
        seen.add((threading.current_thread() is threading.main_thread(), torch.get_num_threads()))
        return item * item

    assert list(Workers(count).map(work, range(9))) == [i * i for i in range(9)]
    assert seen == {(count == 1, 1)}
    assert torch.get_num_threads() == 2


def test_several_work_at_once():
    together = threading.Barrier(2, timeout=20)
    places = list(Workers(2).map(lambda item: together.wait(), range(4)))  # breaks with one at a time
    assert sorted(places) == [0, 0, 1, 1]


def test_large_pieces_are_worked_on_alone():
    lock, now, seen = threading.Lock(), [], []

    def work(size):
        with lock:
            now.append(size)
            seen.append(tuple(now))
        time.sleep(0.002)
        with lock:
            now.remove(size)
        return size

    sizes = [BESIDE * n for n in (1, 9, 1, 1, 5, 2, 9, 1, 1, 1)]
    assert list(Workers(4).map(work, sizes, lambda size: size)) == sizes
    assert all(sum(together) + BESIDE * len(together) <= 10 * BESIDE for together in seen)
    assert any(len(together) > 1 for together in seen)


def test_nothing_is_begun_after_an_error():
    begun = []

    def work(item):
        begun.append(item)
        if item == 1:
            raise ValueError("no")

    for count in (1, 2):
        begun.clear()
        with pytest.raises(ValueError, match="no"):
            list(Workers(count).map(work, range(1000)))
        assert len(begun) < 1000
    with pytest.raises(ConfigError, match="workers 0"):
        Workers(0)


@pytest.mark.parametrize(
    "settings",
    [{"method": "rtn"}, {"method": "ptqtp"}, {"method": "refine"}, {"method": "gptq", "bits_budget": 4.5}],
)
def test_any_number_of_workers_makes_the_same_file(make, tmp_path, settings):
    source, calibration = (
        open_source(make("qwen3")),
        CalibrationText(windows=windows_of(IDS, 40, 4, "text"), name="drawn"),
    )
    found = set()
    for workers in (1, 2, 5):
        out = tmp_path / str(workers)
        run.quantize(source, out, QuantizeConfig(group=16, **settings), calibration=calibration, workers=workers)
        found.add((out / "model.safetensors").read_bytes())
    assert len(found) == 1

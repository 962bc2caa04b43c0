"""Asking a run to stop."""

from __future__ import annotations

import signal
import threading

import pytest

from pentanet.training.signals import StopRequest, stop_request


@pytest.mark.parametrize("number", [signal.SIGTERM, signal.SIGINT])
def test_a_signal_asks(number: signal.Signals) -> None:
    before = {n: signal.getsignal(n) for n in (signal.SIGTERM, signal.SIGINT)}
    with stop_request() as stop:
        assert not stop
        signal.raise_signal(number)
        assert stop
        assert stop.signal == number
    assert {n: signal.getsignal(n) for n in before} == before


def test_the_second_interrupt_interrupts() -> None:
    before = signal.getsignal(signal.SIGINT)
    with stop_request() as stop:
        signal.raise_signal(signal.SIGINT)
        assert stop
        with pytest.raises(KeyboardInterrupt):
            signal.raise_signal(signal.SIGINT)
    assert signal.getsignal(signal.SIGINT) == before


def test_elsewhere_than_in_the_main_thread_nothing_is_caught() -> None:
    found: list[StopRequest] = []

    def work() -> None:
        with stop_request() as stop:
            found.append(stop)

    before = signal.getsignal(signal.SIGTERM)
    thread = threading.Thread(target=work)
    thread.start()
    thread.join()
    assert not found[0]
    assert signal.getsignal(signal.SIGTERM) == before

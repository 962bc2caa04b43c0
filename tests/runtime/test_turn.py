"""What may not happen twice at once, nor in a forked process, nor after the end, is refused."""

from __future__ import annotations

import os
import threading

import pytest

from pentanet.errors import EngineError
from pentanet.runtime.turn import Turn


def test_a_second_thread_is_refused_while_the_first_is_inside() -> None:
    turn, inside, leave = Turn(), threading.Event(), threading.Event()

    def hold() -> None:
        with turn:
            inside.set()
            leave.wait(30)

    first = threading.Thread(target=hold)
    first.start()
    assert inside.wait(30)
    with pytest.raises(EngineError, match="another thread"), turn:
        pass
    leave.set()
    first.join()
    with turn:
        pass


def test_a_turn_ends_with_an_error_too() -> None:
    turn = Turn()
    with pytest.raises(KeyError), turn:
        raise KeyError
    with turn:
        pass


def test_nothing_after_close() -> None:
    turn = Turn()
    turn.close()
    with pytest.raises(EngineError, match="closed"), turn:
        pass


def test_a_forked_process_is_refused(monkeypatch: pytest.MonkeyPatch) -> None:
    turn = Turn()
    monkeypatch.setattr(os, "getpid", lambda: -1)
    with pytest.raises(EngineError, match="fork"), turn:
        pass

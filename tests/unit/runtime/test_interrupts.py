"""Signals become requests that a loop answers between two steps."""

# ruff: noqa: PT012 - the blocks under test stand inside pytest.raises

from __future__ import annotations

import os
import signal
import threading
from types import SimpleNamespace

import pytest

from degas.runtime import interrupts
from degas.runtime.interrupts import Interrupted, StopRequest, Terminated


def send(number: int) -> None:
    os.kill(os.getpid(), number)


@pytest.mark.parametrize(
    ("number", "outcome", "exit_code"), [(signal.SIGTERM, Terminated, 143), (signal.SIGINT, Interrupted, 130)]
)
def test_a_signal_is_a_request(number: int, outcome: type[Exception], exit_code: int) -> None:
    steps = 0
    with pytest.raises(outcome) as caught, StopRequest() as stop:
        for step in range(10):
            steps += 1
            if step == 3:
                send(number)
            if stop.requested:
                stop.leave()
    assert steps == 4
    assert caught.value.exit_code == exit_code  # type: ignore[attr-defined]


def test_no_signal_no_request() -> None:
    with StopRequest() as stop:
        assert not stop.requested


def test_the_handlers_come_back() -> None:
    before = [signal.getsignal(number) for number in (signal.SIGTERM, signal.SIGINT)]
    with StopRequest():
        assert [signal.getsignal(number) for number in (signal.SIGTERM, signal.SIGINT)] != before
    assert [signal.getsignal(number) for number in (signal.SIGTERM, signal.SIGINT)] == before


def test_a_second_ctrl_c_stops_at_once(monkeypatch: pytest.MonkeyPatch) -> None:
    for first in (signal.SIGINT, signal.SIGTERM):
        clock = [100.0]
        monkeypatch.setattr(interrupts, "time", SimpleNamespace(monotonic=lambda clock=clock: clock[0]))
        with pytest.raises(KeyboardInterrupt), StopRequest() as stop:
            send(first)
            assert stop.requested
            clock[0] += 1.5
            send(signal.SIGINT)


def test_a_launchers_copy_of_ctrl_c_is_the_same_request() -> None:
    with pytest.raises(Interrupted), StopRequest() as stop:
        send(signal.SIGINT)
        send(signal.SIGINT)
        send(signal.SIGTERM)
        stop.leave()


def test_a_second_sigterm_does_not_break_the_saving() -> None:
    with pytest.raises(Terminated), StopRequest() as stop:
        send(signal.SIGTERM)
        send(signal.SIGTERM)
        stop.leave()


def test_a_request_nobody_answered_is_raised_at_the_end() -> None:
    with pytest.raises(Terminated), StopRequest():
        send(signal.SIGTERM)


def test_an_error_is_not_hidden_by_a_request() -> None:
    with pytest.raises(ZeroDivisionError), StopRequest():
        send(signal.SIGTERM)
        raise ZeroDivisionError


def test_another_ranks_request_is_answered_as_terminated() -> None:
    with pytest.raises(Terminated), StopRequest() as stop:
        stop.leave()


def test_other_threads_install_nothing() -> None:
    results: list[object] = []

    def work() -> None:
        with StopRequest() as stop:
            results.append((signal.getsignal(signal.SIGTERM), stop.requested))

    before = signal.getsignal(signal.SIGTERM)
    thread = threading.Thread(target=work)
    thread.start()
    thread.join()
    assert results == [(before, False)]


def test_the_person_is_told_once(capfd: pytest.CaptureFixture[str]) -> None:
    with pytest.raises(Terminated), StopRequest():
        send(signal.SIGTERM)
        send(signal.SIGTERM)
    assert capfd.readouterr().err.count("stopping after this step") == 1

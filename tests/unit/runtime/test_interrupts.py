"""Signals become requests that a loop answers between two steps."""

# ruff: noqa: PT012 - the blocks under test stand inside pytest.raises

from __future__ import annotations

import os
import signal
import subprocess
import sys
import threading
from collections.abc import Iterator
from types import SimpleNamespace

import pytest

from degas.runtime import interrupts
from degas.runtime.interrupts import ENDING, Interrupted, StopRequest, Terminated


def send(number: int) -> None:
    os.kill(os.getpid(), number)


@pytest.fixture(autouse=True)
def _nothing_ignored() -> Iterator[None]:
    """A shell starts background jobs, such as this test run may be, deaf to Ctrl-C."""
    before = {number: signal.getsignal(number) for number in ENDING}
    for number in ENDING:
        signal.signal(number, signal.default_int_handler if number == signal.SIGINT else signal.SIG_DFL)
    yield
    for number, handler in before.items():
        signal.signal(number, handler)


OTHERS = ("SIGHUP", "SIGTERM", "SIGUSR1", "SIGUSR2", "SIGXCPU")


@pytest.mark.parametrize(
    ("number", "outcome", "exit_code"),
    [*((signal.Signals[name], Terminated, 143) for name in OTHERS), (signal.SIGINT, Interrupted, 130)],
)
def test_a_signal_is_a_request(number: int, outcome: type[BaseException], exit_code: int) -> None:
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
    before = [signal.getsignal(number) for number in ENDING]
    with StopRequest():
        assert not set(before) & {signal.getsignal(number) for number in ENDING}
    assert [signal.getsignal(number) for number in ENDING] == before


@pytest.mark.parametrize("number", ENDING)
def test_a_signal_that_was_ignored_stays_so(number: int) -> None:
    """`nohup degas …` outlives its window, as it was asked to."""
    signal.signal(number, signal.SIG_IGN)
    with StopRequest() as stop:
        send(number)
    assert not stop.requested


@pytest.mark.parametrize("number", ENDING)
def test_except_exception_lets_it_through(number: int) -> None:
    """A loop over searches that goes on after errors still ends when it is asked to."""
    searches = 0
    with pytest.raises((KeyboardInterrupt, SystemExit)):
        for _ in range(3):
            try:
                searches += 1
                with StopRequest() as stop:
                    send(number)
                    stop.leave()
            except Exception:
                continue
    assert searches == 1


def test_a_script_that_does_not_catch_it_ends_without_a_traceback() -> None:
    code = "import os; from degas.runtime.interrupts import StopRequest\nwith StopRequest(): os.kill(os.getpid(), 15)"
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True)
    assert done.returncode == 143
    assert "Traceback" not in done.stderr


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

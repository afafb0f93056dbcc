"""Signals that end work ask a loop to stop; the loop saves a checkpoint between two steps and ends."""

from __future__ import annotations

import os
import signal
import threading
import time
from collections.abc import Callable, Iterable
from contextlib import suppress
from types import FrameType, TracebackType
from typing import Any

_SAME_SECONDS = 1.0
# Signals with which people and schedulers end work: a closed window or lost connection; a scheduler's end or `kill`;
# Ctrl-C; warnings before a time limit (Slurm --signal=USR1@60, Grid Engine, LSF); the limit of processor time. Each
# kills a process that does not handle it. SIGQUIT is not among them: it asks for a core dump.
ENDING = tuple(
    signal.Signals[name]
    for name in ("SIGHUP", "SIGTERM", "SIGINT", "SIGUSR1", "SIGUSR2", "SIGXCPU")
    if name in signal.Signals.__members__
)
Handler = Callable[[int, FrameType | None], None]


class Terminated(SystemExit):
    """Raised after a signal other than Ctrl-C (a closed window, preemption, a time limit), once the work is saved.

    It is a `SystemExit`: `except Exception` does not catch it, and a script that does not catch it ends with status
    143 and no traceback.
    """

    exit_code = 143

    def __init__(self, *args: object) -> None:
        super().__init__(*args)
        self.code = self.exit_code


class Interrupted(KeyboardInterrupt):
    """Raised after Ctrl-C, once the work is saved. `except Exception` does not catch it, as with any Ctrl-C."""

    exit_code = 130


class StopRequest:
    """Turns the first signal of `ENDING` inside the block into a request that the loop polls:

        with StopRequest() as stop:
            for step in …:
                …
                if engine.all_stop(stop.requested, step):
                    folder.save(step, state)
                    stop.leave()

    Another Ctrl-C at least a second later raises KeyboardInterrupt at once; an earlier one is ignored, since a launcher
    forwards the terminal's Ctrl-C to processes that already have it. A request that the loop did not answer is raised
    at the end of the block, so that no further stage starts. Outside the main thread no signal arrives and nothing is
    installed. The end of the block restores the earlier handlers.
    """

    def __init__(self) -> None:
        self.requested = False
        self._signal: int | None = None  # the first signal, which decides the exit status
        self._at = 0.0
        self._before: dict[int, Any] = {}

    def __enter__(self) -> StopRequest:
        self._before = install(self._on_signal, ENDING)
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        put_back(self._before)
        self._before = {}
        if kind is None and self.requested:
            self.leave()

    def leave(self) -> None:
        """Raises `Interrupted` after Ctrl-C, else `Terminated` (also if another rank got the signal)."""
        if self._signal == signal.SIGINT:
            raise Interrupted("interrupted")
        raise Terminated("terminated")

    def _on_signal(self, number: int, frame: FrameType | None) -> None:
        if number == signal.SIGINT and self.requested and time.monotonic() - self._at >= _SAME_SECONDS:
            raise KeyboardInterrupt
        if not self.requested:
            self._signal, self._at = number, time.monotonic()
            with suppress(OSError):  # os.write: print may be in the middle of a line when the signal comes
                os.write(2, b"\nstopping after this step, once it is saved (Ctrl-C again: at once)\n")
        self.requested = True


def install(handler: Handler, numbers: Iterable[int], *, over: Callable[[Any], bool] | None = None) -> dict[int, Any]:
    """Installs `handler` for these signals and returns the earlier handlers, for `put_back`.

    An ignored signal stays ignored: `nohup` and a shell's background jobs rely on that. Outside the main thread
    nothing is installed.

    Args:
        over: whether a given earlier handler may be replaced; by default any may.
    """
    if threading.current_thread() is not threading.main_thread():
        return {}
    before = {number: signal.getsignal(number) for number in numbers}
    replaced = {n: h for n, h in before.items() if h is not signal.SIG_IGN and (over is None or over(h))}
    for number in replaced:
        signal.signal(number, handler)
    return replaced


def put_back(before: dict[int, Any]) -> None:
    """Undoes `install`."""
    for number, handler in before.items():
        signal.signal(number, signal.SIG_DFL if handler is None else handler)

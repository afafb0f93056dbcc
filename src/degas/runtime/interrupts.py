"""SIGTERM and Ctrl-C ask a loop to stop; the loop saves a checkpoint between two steps and leaves."""

from __future__ import annotations

import os
import signal
import threading
import time
from contextlib import suppress
from types import FrameType, TracebackType
from typing import Any

_SAME_SECONDS = 1.0


class Terminated(Exception):  # noqa: N818 - an outcome, not an error
    """SIGTERM came (preemption, a scheduler's time limit) and the work was saved."""

    exit_code = 143


class Interrupted(Exception):  # noqa: N818 - an outcome, not an error
    """Ctrl-C came and the work was saved."""

    exit_code = 130


class StopRequest:
    """Turns the first SIGTERM or Ctrl-C inside the block into a request that the loop polls:

        with StopRequest() as stop:
            for step in …:
                …
                if engine.all_stop(stop.requested, step):
                    folder.save(step, state)
                    stop.leave()

    A further Ctrl-C stops at once with KeyboardInterrupt, if it comes a second later or more: a launcher passes the
    terminal's Ctrl-C on to processes that have it already. A request that nobody answered is raised at the end of the
    block, so that a chain of stages does not run on. Outside the main thread no signal arrives and nothing is
    installed. The handlers that were there before come back at the end.
    """

    def __init__(self) -> None:
        self.requested = False
        self._signal: int | None = None  # the first one, which decides the exit status
        self._at = 0.0
        self._before: dict[int, Any] = {}

    def __enter__(self) -> StopRequest:
        if threading.current_thread() is threading.main_thread():
            for number in (signal.SIGTERM, signal.SIGINT):
                self._before[number] = signal.signal(number, self._on_signal)
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        for number, handler in self._before.items():
            signal.signal(number, signal.SIG_DFL if handler is None else handler)
        self._before = {}
        if kind is None and self.requested:
            self.leave()

    def leave(self) -> None:
        """Raises `Interrupted` after Ctrl-C, else `Terminated` (also where another rank got the signal)."""
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

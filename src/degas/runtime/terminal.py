"""Output streams that may fail: a closed terminal, a full disk or a closed pipe does not stop the work."""

from __future__ import annotations

import io
import os
from contextlib import suppress
from typing import Any


class Enduring:
    """A stream that may fail: its output is then lost, and the work continues.

    A closed pipe fails with EPIPE, a closed terminal window with EIO. Python gives `None` for a stream that was closed
    before it started; its output is discarded.
    """

    def __init__(self, stream: Any) -> None:
        self._stream = _Nowhere() if stream is None else stream

    def __getattr__(self, name: str) -> Any:
        return getattr(self._stream, name)

    def write(self, text: str) -> int:
        try:
            self._stream.write(text)
            self._stream.flush()
        except OSError:
            no_reader(self._stream)
        return len(text)

    def flush(self) -> None:
        try:
            self._stream.flush()
        except OSError:
            no_reader(self._stream)


class _Nowhere(io.StringIO):
    def write(self, text: str) -> int:
        return len(text)


def no_reader(stream: Any) -> None:
    """Redirects the stream to the null device, so that flushing it at exit raises nothing either."""
    with suppress(OSError, ValueError, AttributeError):  # a stream in memory has no descriptor
        nowhere = os.open(os.devnull, os.O_WRONLY)
        os.dup2(nowhere, stream.fileno())
        os.close(nowhere)

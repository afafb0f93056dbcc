"""Standard output and error as commands want them: no traceback for a letter, and no work lost with a terminal."""

from __future__ import annotations

import os
import sys
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from typing import Any


@contextmanager
def polite_streams(enduring: bool) -> Iterator[None]:
    """A terminal that cannot show α or × gets a question mark, not a traceback; one that is gone stops no work."""
    before = sys.stdout, sys.stderr
    for stream in before:
        if hasattr(stream, "reconfigure"):
            stream.reconfigure(errors="replace")
    if enduring:
        sys.stdout, sys.stderr = (_Enduring(stream) for stream in before)
    try:
        yield
    finally:
        sys.stdout, sys.stderr = before


class _Enduring:
    """A stream whose reader may leave: what is written then is lost, and the work goes on."""

    def __init__(self, stream: Any) -> None:
        self._stream = stream

    def __getattr__(self, name: str) -> Any:
        return getattr(self._stream, name)

    def write(self, text: str) -> int:
        try:
            self._stream.write(text)
            self._stream.flush()
        except BrokenPipeError:
            no_reader(self._stream)
        return len(text)

    def flush(self) -> None:
        try:
            self._stream.flush()
        except BrokenPipeError:
            no_reader(self._stream)


def no_reader(stream: Any) -> None:
    """From now on the stream leads nowhere, so that flushing it at exit raises nothing either."""
    with suppress(OSError, ValueError):  # one in memory has no descriptor
        nowhere = os.open(os.devnull, os.O_WRONLY)
        os.dup2(nowhere, stream.fileno())
        os.close(nowhere)

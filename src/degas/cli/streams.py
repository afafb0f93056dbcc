"""Standard output and error as commands want them: no traceback for a character, no work lost with a terminal."""

from __future__ import annotations

import sys
from collections.abc import Iterator
from contextlib import contextmanager

from degas.runtime.terminal import Enduring


@contextmanager
def tolerant_streams(enduring: bool) -> Iterator[None]:
    """A terminal that cannot show α or × gets a question mark, not a traceback; one that is gone stops no work."""
    before = sys.stdout, sys.stderr
    for stream in before:
        if hasattr(stream, "reconfigure"):
            stream.reconfigure(errors="replace")
    if enduring:
        sys.stdout, sys.stderr = (Enduring(stream) for stream in before)
    try:
        yield
    finally:
        sys.stdout, sys.stderr = before

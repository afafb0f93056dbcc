"""Standard output and error that survive unprintable characters and a closed terminal."""

from __future__ import annotations

import sys
from collections.abc import Iterator
from contextlib import contextmanager

from degas.runtime.terminal import Enduring


@contextmanager
def tolerant_streams(enduring: bool) -> Iterator[None]:
    """Print "?" if a terminal cannot show α or ×; with `enduring`, keep working after the terminal is closed."""
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

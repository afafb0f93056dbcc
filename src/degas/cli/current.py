"""The words of the command that this process runs: other processes run a part of it by the same words. No torch."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from contextvars import ContextVar

_WORDS: ContextVar[tuple[str, ...]] = ContextVar("words", default=())


@contextmanager
def running(words: Sequence[str]) -> Iterator[None]:
    """Say that the command with these words, without `degas` in front, runs inside the block."""
    token = _WORDS.set(tuple(words))
    try:
        yield
    finally:
        _WORDS.reset(token)


def current_words() -> list[str]:
    """The words after `degas` of the running command; empty outside of one."""
    return list(_WORDS.get())

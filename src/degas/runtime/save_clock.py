"""The clock of checkpoints: the next is due by time, and by steps where that is asked for. Standard library only."""

from __future__ import annotations

import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager

SECONDS = 60.0  # what a kill may cost; our choice
SAVING_SHARE = 1 / 20  # of the time that saving may take at most, on a slow disk


class SaveClock:
    """About once a minute, and every `steps` steps unless that is 0.

    A fast GPU takes thousands of steps a minute, a slow CPU a few: a number of steps alone saves far too often on the
    one and loses hours on the other.
    """

    def __init__(self, steps: int, clock: Callable[[], float] = time.monotonic) -> None:
        self.steps = steps
        self._clock = clock
        self._saved_at, self._took = clock(), 0.0

    def due_at(self, step: int) -> bool:
        """By steps; every rank says the same."""
        return self.steps > 0 and step % self.steps == 0

    def due_now(self) -> bool:
        """By time; each rank has its own, so let them agree."""
        return self._clock() - self._saved_at >= max(SECONDS, self._took / SAVING_SHARE)

    @contextmanager
    def saving(self) -> Iterator[None]:
        """Saves inside the block; the time to the next one counts from its end."""
        began = self._clock()
        yield
        self._saved_at = self._clock()
        self._took = self._saved_at - began

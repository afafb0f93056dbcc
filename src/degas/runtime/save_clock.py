"""The schedule of checkpoints: by time, and by steps if the user asks for that. Standard library only."""

from __future__ import annotations

import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager

SECONDS = 60.0  # the work that a kill may lose; our choice
SAVING_SHARE = 1 / 20  # the largest share of the time that saving may take, on a slow disk


class SaveClock:
    """Checkpoints about once a minute, and every `steps` steps unless that is 0.

    A fast GPU takes thousands of steps a minute, a slow CPU a few: one number of steps would save far too often on the
    GPU and lose hours on the CPU.
    """

    def __init__(self, steps: int, clock: Callable[[], float] = time.monotonic) -> None:
        self.steps = steps
        self._clock = clock
        self._saved_at, self._took = clock(), 0.0

    def due_at(self, step: int) -> bool:
        """Return whether a checkpoint is due by steps; equal on every rank."""
        return self.steps > 0 and step % self.steps == 0

    def due_now(self) -> bool:
        """Return whether a checkpoint is due by time; ranks differ here, so they must agree first."""
        return self._clock() - self._saved_at >= max(SECONDS, self._took / SAVING_SHARE)

    @contextmanager
    def saving(self) -> Iterator[None]:
        """Times the saving inside the block; the time to the next one counts from its end."""
        began = self._clock()
        yield
        self._saved_at = self._clock()
        self._took = self._saved_at - began

"""An estimate of how long a stage takes, made once, from its first steps."""

from __future__ import annotations

WARM_UP_STEPS = 3  # updates that set up memory, threads and caches, and are slower than the others
MEASURED_STEPS, MEASURED_SECONDS = 5, 3.0  # at least; a GPU's queue of waiting work is shorter than that
SLOW_STEPS, SLOW_SECONDS = 2, 15.0  # enough where steps are slow


class FirstSteps:
    """Measures the rate of a stage's steps once enough have finished, without the warm-up.

    An update may finish several steps at once. The rate counts steps; the warm-up counts updates.
    """

    def __init__(self) -> None:
        self._updates = 0
        self._start: tuple[int, float] | None = None  # step and moment after the warm-up
        self._announced = False

    def seconds_per_step(self, step: int, now: float) -> float | None:
        """The rate after `step` finished steps at the moment `now`: a number once, None before and after."""
        self._updates += 1
        if self._announced or self._updates < WARM_UP_STEPS:
            return None
        if self._start is None:
            self._start = (step, now)
            return None
        first, since = self._start
        seconds, updates = now - since, self._updates - WARM_UP_STEPS
        enough = updates >= MEASURED_STEPS and seconds >= MEASURED_SECONDS
        slow = updates >= SLOW_STEPS and seconds >= SLOW_SECONDS
        if step <= first or not (enough or slow):
            return None
        self._announced = True
        return seconds / (step - first)


def format_about(seconds: float) -> str:
    """`40 s`, `12 min`, `3.4 h`: no more digits than an estimate deserves."""
    if seconds < 90:
        return f"{max(5, 5 * round(seconds / 5))} s"
    return f"{seconds / 60:.0f} min" if seconds < 5400 else f"{seconds / 3600:.1f} h"

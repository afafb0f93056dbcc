"""The pace of trainings against different critics, and the numbers of steps that take equal processor time."""

from __future__ import annotations

import statistics
from collections.abc import Mapping

from degas.gan.state import Steps
from degas_lab.trainings.stopwatch import Stopwatch

ROUNDS = 5  # of one training step of each critic in turn, after one that warms up; our choice
MOST = 4.0  # no critic gets more than this many times the reference's steps, or less than its reciprocal


def paces(trainings: Mapping[str, Steps], rounds: int = ROUNDS) -> dict[str, float]:
    """Name → median seconds of a training step (all critic steps and the generator's): of the processor, on a GPU wall.

    The trainings take turns, so that a busy machine slows all alike.
    """
    seconds: dict[str, list[float]] = {name: [] for name in trainings}
    for turn in range(rounds + 1):
        for name, steps in trainings.items():
            watch = Stopwatch(steps.engine.device)
            watch.start()
            steps.both(turn)
            found = watch.stop()
            seconds[name].append(found["processor" if steps.engine.device.type == "cpu" else "wall"])
    return {name: statistics.median(values[1:]) for name, values in seconds.items()}


def equal_time_steps(found: Mapping[str, float], reference: str, steps: int) -> dict[str, int]:
    """Name → number of steps that takes as long as `steps` of the reference, within a factor of `MOST`, at least 2."""
    shares = {name: min(MOST, max(1 / MOST, found[reference] / seconds)) for name, seconds in found.items()}
    return {name: max(2, round(share * steps)) for name, share in shares.items()}

"""The verdict's comparisons at equal processor time, on a GPU wall-clock time. Pure functions on plain numbers.

A step of one generator takes longer than a step of another. In each pair the one with the slower steps is scored where
it had used as much processor time as the other had at its end. Times are medians over the seeds, because a busy machine
slows single trainings. Between two marks the score is interpolated linearly in steps.

The learning rates of both fall over all steps, so the slower one is scored before its rates have come down. This
favours the faster one.
"""

from __future__ import annotations

import math
import statistics
from collections.abc import Mapping, Sequence
from itertools import pairwise
from typing import Any

from degas_lab.contest.scores import clock_of, rounded, score_at, trial_name
from degas_lab.trials import TrialRecords

Record = Mapping[str, Any]
MARKS = (0.7, 0.8, 0.9, 1.0)  # shares of the steps at which trainings of the verdict are scored


def marks(steps: int) -> list[int]:
    """The steps at which a training of the verdict is scored, ascending, the last one `steps`."""
    return sorted({max(1, round(share * steps)) for share in MARKS})


def time_ratio(records: TrialRecords, winner: str, other: str, *, seeds: Sequence[int], steps: int) -> float | None:
    """Median over seeds of the winner's processor seconds for `steps`, divided by the other's; None without any."""
    found = [(_seconds(records.get(trial_name(name, seed)), steps)) for seed in seeds for name in (winner, other)]
    ratios = [own / others for own, others in zip(found[::2], found[1::2], strict=True) if own and others]
    return rounded(statistics.median(ratios)) if ratios else None


def equal_steps(ratio: float, steps: int) -> tuple[int, int] | None:
    """The steps after which the winner and the other are scored; None if the slower one has no mark so early."""
    slower = round(steps / max(ratio, 1 / ratio))
    if slower < marks(steps)[0]:
        return None
    return (slower, steps) if ratio > 1 else (steps, slower)


def score_between(record: Record | None, steps: int, metric: str) -> float | None:
    """The score after `steps`, interpolated between the nearest marks; infinite for a diverged training."""
    exact = score_at(record, steps, metric)
    if exact is not None or record is None:
        return exact
    for before, after in pairwise(record["history"]):
        if before["steps"] < steps < after["steps"]:
            share = (steps - before["steps"]) / (after["steps"] - before["steps"])
            return rounded(before[metric] + share * (after[metric] - before[metric]))
    return None


def _seconds(record: Record | None, steps: int) -> float | None:
    if record is None:
        return None
    seconds = next((mark.get(clock_of(record)) for mark in record["history"] if mark["steps"] == steps), None)
    return seconds if seconds is not None and math.isfinite(seconds) else None

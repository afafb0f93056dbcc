"""The cores that this process may use, and whether other programs keep them busy. Standard library only.

Two processes with two OpenMP threads each on two cores wait for each other: 10 to 50 times slower than with one thread
each.
"""

from __future__ import annotations

import os
import time
from collections.abc import Sequence
from pathlib import Path
from typing import NamedTuple

_STAT = Path("/proc/stat")
LEAST_SECONDS = 0.2  # a shorter look sees chance
TAKEN_CORES = 0.5  # beyond the free ones, before it is worth a word


class Look(NamedTuple):
    """A moment: busy seconds of all allowed cores together, those of this process, and the time."""

    busy: float
    own: float
    at: float


def allowed_cores() -> tuple[int, ...]:
    """The cores that this process may run on, by number."""
    if hasattr(os, "sched_getaffinity"):
        return tuple(sorted(os.sched_getaffinity(0)))
    return tuple(range(os.cpu_count() or 1))


_begun: Look | None = None


def begin() -> None:
    """Take the first look, before a command loads anything."""
    global _begun
    _begun = look()


def notice(num_threads: int) -> str:
    """A sentence if other programs have kept the cores busy since `begin`; else empty.

    Only the first call after `begin` looks: later ones would see this program's own earlier stages.
    """
    global _begun
    before, _begun = _begun, None
    return complaint(taken(before, look()), num_threads, len(allowed_cores()))


def look() -> Look | None:
    """The present moment; None where the system does not say."""
    try:
        busy = _busy_seconds(_STAT.read_text(), allowed_cores(), os.sysconf("SC_CLK_TCK"))
    except (OSError, ValueError, IndexError):
        return None
    times = os.times()
    return Look(busy, sum(times[:4]), time.monotonic())


def taken(before: Look | None, now: Look | None) -> float:
    """The number of allowed cores that other programs kept busy between two looks; 0 if that is not known."""
    if before is None or now is None or now.at - before.at < LEAST_SECONDS:
        return 0.0
    return max(0.0, (now.busy - before.busy) - (now.own - before.own)) / (now.at - before.at)


def complaint(taken_cores: float, num_threads: int, num_cores: int) -> str:
    """A sentence if `num_threads` threads have to share cores with other programs; else empty.

    One thread beside others only gets its share of the time; several wait for the slowest at every step.
    """
    if num_threads < 2 or taken_cores + num_threads <= num_cores + TAKEN_CORES:
        return ""
    free = max(1, num_cores - round(taken_cores))
    return (
        f"other programs use {taken_cores:.1f} of {num_cores} cores, and {num_threads} threads would wait for each "
        f"other there, 10 times slower or worse; set OMP_NUM_THREADS={free}, or let degas sweep share the cores"
    )


def _busy_seconds(stat: str, cores: Sequence[int], ticks_per_second: int) -> float:
    """Busy seconds since the start of the machine, over `cores`, by the text of /proc/stat."""
    wanted, ticks = {f"cpu{core}" for core in cores}, 0
    for line in stat.splitlines():
        name, *values = line.split()
        if name in wanted:
            user, nice, system, _idle, _iowait, irq, softirq = (int(value) for value in values[:7])
            ticks += user + nice + system + irq + softirq
    return ticks / ticks_per_second

"""What a sweep shows while it runs, on standard error: a line per ended trial, and a live list of the running ones."""

from __future__ import annotations

import os
import statistics
import sys
import time
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from typing import IO, cast

from rich.console import Console, Group
from rich.live import Live
from rich.text import Text

from degas.runtime.progress import format_seconds, is_live
from degas.runtime.terminal import Enduring

PLAIN_SECONDS = 30.0  # between two lines on a stream that is no terminal
LIVE_SECONDS = 0.5
SHOWN = 12  # running trials in the live list
TAIL_BYTES = 4096


class Display:
    """Counts of all trials, and the last line that each running one printed.

    Args:
        num_jobs: trials to end in all, once for each mark.
        done: those that ended in earlier calls.
        num_places: trials at a time.
        logs: folder of `NAME.txt`.
    """

    def __init__(
        self,
        num_jobs: int,
        done: int,
        num_places: int,
        logs: Path,
        *,
        quiet: bool = False,
        console: Console | None = None,
        clock: Callable[[], float] = time.monotonic,
    ) -> None:
        self.num_jobs, self.done, self.num_places, self.logs, self.quiet = num_jobs, done, num_places, logs, quiet
        self.failed, self._seconds, self._shown_at = 0, list[float](), -float("inf")
        self._console = console or Console(file=cast(IO[str], Enduring(sys.stderr)), highlight=False)
        self._clock, self._live = clock, cast(Live | None, None)

    def __enter__(self) -> Display:
        if not self.quiet and is_live(self._console):
            self._live = Live(console=self._console, auto_refresh=False, transient=True)
            self._live.start()
        return self

    def __exit__(self, *error: object) -> None:
        if self._live is not None:
            self._live.stop()

    def ended(self, name: str, status: str, seconds: float, words: str = "") -> None:
        """Note the end of a trial: `status` is done, failed, rejected, or a word for another attempt."""
        if status in ("done", "failed", "rejected"):
            self.done += 1
            self.failed += status != "done"
            self._seconds.append(seconds)
        self.say(f"{status:<9} {name}  {format_seconds(seconds)}{f'  {words}' if words else ''}")

    def say(self, line: str) -> None:
        """Print a line that stays."""
        if not self.quiet:
            self._console.print(line, markup=False, highlight=False, soft_wrap=True)

    def update(self, running: Mapping[str, float]) -> None:
        """Show the state, if it is time; cheap enough for every turn of a loop."""
        now = self._clock()
        if self.quiet or now - self._shown_at < (LIVE_SECONDS if self._live is not None else PLAIN_SECONDS):
            return
        self._shown_at = now
        head = self.summary(running)
        if self._live is None:
            self.say(head)
            return
        shown = [
            f"  {name}  {format_seconds(since)}  {last_line(self.logs / f'{name}.txt')}"
            for name, since in running.items()
        ]
        more = [f"  and {len(shown) - SHOWN} more"] if len(shown) > SHOWN else []
        lines = [Text(line, no_wrap=True, overflow="ellipsis") for line in [head, *shown[:SHOWN], *more]]
        self._live.update(Group(*lines), refresh=True)

    def summary(self, running: Mapping[str, float]) -> str:
        """`sweep  5/12  2 running, 5 waiting, 0 failed  3 min 05 s left`."""
        waiting = max(0, self.num_jobs - self.done - len(running))
        left = seconds_left(self._seconds, list(running.values()), waiting, self.num_places)
        counts = f"sweep  {self.done}/{self.num_jobs}  {len(running)} running, {waiting} waiting, {self.failed} failed"
        return counts if left is None else f"{counts}  {format_seconds(left)} left"


def seconds_left(ended: Sequence[float], running: Sequence[float], waiting: int, num_places: int) -> float | None:
    """Expected time until all trials have ended, if each takes the mean time of those that ended; None if none did.

    `running`: the seconds that each running one has taken so far; one beyond the mean is about to end.
    """
    if not ended:
        return None
    mean = statistics.fmean(ended)
    work = waiting * mean + sum(max(0.0, mean - seconds) for seconds in running)
    return work / max(1, min(num_places, waiting + len(running)))


def last_line(log: Path) -> str:
    """The last line in a trial's log; empty if there is none."""
    try:
        with log.open("rb") as file:
            file.seek(max(0, os.fstat(file.fileno()).st_size - TAIL_BYTES))
            lines = file.read().decode(errors="replace").split("\n")
    except OSError:
        return ""
    return next((line.strip() for line in reversed(lines) if line.strip()), "")

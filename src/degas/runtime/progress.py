"""The display of a long run: a live line on a terminal, occasional plain lines elsewhere, a summary."""

from __future__ import annotations

import os
import sys
import time
from collections import deque
from collections.abc import Callable
from types import TracebackType
from typing import IO, cast

from rich.console import Console
from rich.progress import BarColumn, ProgressColumn, TextColumn
from rich.progress import Progress as RichProgress
from rich.table import Column

from degas.runtime.estimate import FirstSteps, format_about
from degas.runtime.terminal import Enduring

_PLAIN_SECONDS = 10.0
_REFRESH_SECONDS = 0.2
_SAMPLE_SECONDS = 0.25  # bounds the memory of the rate: 120 samples a window
_WINDOW_SECONDS = 30.0
_WORTH_SAYING_SECONDS = 10.0  # a shorter stage needs no estimate
_WIDEST_BAR, _NARROWEST_BAR = 20, 4
_COUNTS_WIDTH = 42  # columns that the longest count and time left take, gaps included


class RecentRate:
    """Steps per second over the last 30 seconds, or over the last two samples if steps are slower than that.

    Recent, not overall: warm-up steps or a pause an hour ago say nothing about the remaining time. Checkpoints and
    evaluations within the window do count.
    """

    def __init__(self, step: int, now: float) -> None:
        self._samples = deque([(now, step)])

    def add(self, step: int, now: float) -> None:
        last = self._samples[-1][0]
        if len(self._samples) > 1 and now - self._samples[-2][0] < _SAMPLE_SECONDS:
            self._samples.pop()  # refine the newest instead of adding one
        if now >= last:
            self._samples.append((now, step))
        while len(self._samples) > 2 and self._samples[1][0] <= now - _WINDOW_SECONDS:
            self._samples.popleft()

    def steps_per_second(self) -> float | None:
        """None before anything was done."""
        (since, first), (until, last) = self._samples[0], self._samples[-1]
        return (last - first) / (until - since) if until > since and last > first else None


class Progress:
    """Reports on standard error; standard output is for results.

        with Progress("search", 1500, start_step=done, quiet=not engine.is_main) as progress:
            …
            progress.update(step, note="epoch 3", loss=0.12)

    On a terminal (`is_live`) it shows one live line; elsewhere a plain line at the first update and every 10 seconds.
    After the first steps one line estimates how long the stage will take. At the end, also after an error, one line
    says how many steps took how long. Quiet prints nothing at all.

    Args:
        title: the stage.
        total_steps: the number of the last step.
        start_step: steps finished before (a resumed run); no rate counts them.
        unit: what is counted.
        besides: further work that the estimate does not include, named in its line.
        shorter: settings that shorten the stage, named in that line.
        estimated: print that line; False for work that an estimate before it has told of.
    """

    def __init__(
        self,
        title: str,
        total_steps: int,
        *,
        start_step: int = 0,
        unit: str = "steps",
        besides: str = "",
        shorter: str = "",
        estimated: bool = True,
        quiet: bool = False,
        console: Console | None = None,
        clock: Callable[[], float] = time.monotonic,
    ) -> None:
        self.title, self.total_steps, self.start_step, self.quiet = title, total_steps, start_step, quiet
        self.unit, self.besides, self.shorter = unit, besides, shorter
        self._console = console or Console(file=cast(IO[str], Enduring(sys.stderr)), highlight=False)
        self._clock = clock
        self._step, self._text, self._values = start_step, "", ""
        self._live: RichProgress | None = None
        self._shown_at: float | None = None
        self._first_steps = FirstSteps() if estimated else None

    def __enter__(self) -> Progress:
        self._began = self._clock()
        self._rate = RecentRate(self.start_step, self._began)
        if not self.quiet and is_live(self._console):
            columns = _columns(self.title, self._console.width)
            self._live = RichProgress(*columns, console=self._console, auto_refresh=False, transient=True, expand=True)
            self._live.start()
            self._task = self._live.add_task(
                self.title, total=self.total_steps, completed=self._step, counts="", details=""
            )
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        if self._live is not None:
            self._live.stop()
        if not self.quiet:
            self._print(self._summary(finished=kind is None))

    def update(self, step: int, note: str = "", **values: float) -> None:
        """Reports that `step` steps are finished; cheap enough for every step.

        Args:
            note: a few words, such as the epoch.
            values: numbers to show, such as losses; a call without any keeps the previous ones.
        """
        now = self._clock()
        self._step = step
        self._rate.add(step, now)
        if values:
            self._values = "  ".join(f"{name} {value:.4g}" for name, value in values.items())
        self._text = "  ".join(part for part in (self._values, note) if part)
        self._estimate(step, now)
        period = _REFRESH_SECONDS if self._live is not None else _PLAIN_SECONDS
        if self.quiet or (self._shown_at is not None and now - self._shown_at < period):
            return
        self._shown_at = now
        counts, left, details = self._counts(), self._time_left(), self._details()
        if self._live is not None:
            shown = {"counts": _joined(counts, left), "details": details}
            self._live.update(self._task, completed=step, refresh=True, **shown)  # type: ignore[arg-type]
        else:
            self._print(_joined(self.title, counts, details, left))

    def end_at(self, step: int) -> None:
        """Makes `step` the last one: the stage ends early, and that is no error."""
        self.total_steps = step
        if self._live is not None:
            self._live.update(self._task, total=step)

    def say(self, line: str) -> None:
        """Prints a line that stays, above any live line; for events that happen a few times per run."""
        if not self.quiet:
            self._print(f"{self.title}  {line}")

    def remaining_seconds(self) -> float | None:
        """Remaining steps divided by the recent rate; None without a rate."""
        rate = self._rate.steps_per_second()
        return (self.total_steps - self._step) / rate if rate else None

    def _estimate(self, step: int, now: float) -> None:
        """Say once how long the stage will take, estimated from its first steps."""
        if self._first_steps is None:
            return
        seconds_per_step = self._first_steps.seconds_per_step(step, now)
        if seconds_per_step is None:
            return
        left = (self.total_steps - step) * seconds_per_step
        if left < _WORTH_SAYING_SECONDS:
            return
        rate = format_rate(1 / seconds_per_step, self.unit)
        line = f"about {format_about(now - self._began + left)} for {self.total_steps - self.start_step} {self.unit}"
        further = [f"not included: {self.besides}"] if self.besides else []
        further += [f"to shorten: {self.shorter}"] if self.shorter else []
        self.say("; ".join([f"{line}, by the first steps ({rate})", *further]))

    def _counts(self) -> str:
        share = f"{100 * self._step / self.total_steps:.0f} %" if self.total_steps else ""
        return _joined(f"{self._step}/{self.total_steps}", share)

    def _time_left(self) -> str:
        remaining = self.remaining_seconds()
        return f"{format_seconds(remaining)} left" if remaining is not None else ""

    def _details(self) -> str:
        rate = self._rate.steps_per_second()
        return _joined(self._text, format_rate(rate, self.unit) if rate else "")

    def _summary(self, finished: bool) -> str:
        seconds, steps = self._clock() - self._began, self._step - self.start_step
        parts = [f"{steps} {self.unit} in {format_seconds(seconds)}"]
        parts += [format_rate(steps / seconds, self.unit)] if seconds > 0 and steps > 0 else []
        parts += [self._text] if self._text else []
        stopped = "" if finished else f"stopped at {self.unit.removesuffix('s')} {self._step} of {self.total_steps}: "
        return f"{self.title}: {stopped}{', '.join(parts)}"

    def _print(self, line: str) -> None:
        """Print one record as one line: no wrapping, no markup, whatever the width."""
        self._console.print(line, markup=False, highlight=False, soft_wrap=True)


def format_seconds(seconds: float) -> str:
    """`42 s`, `3 min 05 s`, `2 h 07 min`."""
    whole = round(seconds)
    if whole < 60:
        return f"{whole} s"
    if whole < 3600:
        return f"{whole // 60} min {whole % 60:02d} s"
    minutes = round(seconds / 60)
    return f"{minutes // 60} h {minutes % 60:02d} min"


def format_rate(steps_per_second: float, unit: str = "steps") -> str:
    """`12.3 steps/s`, or seconds per step if that is the larger number."""
    if steps_per_second >= 1:
        return f"{steps_per_second:.3g} {unit}/s"
    return f"{1 / steps_per_second:.3g} s/{unit.removesuffix('s')}"


def is_live(console: Console) -> bool:
    """Return whether lines may be redrawn: only on a real terminal that is not a job's log.

    rich takes a file for a terminal if FORCE_COLOR is set, as in many jobs; colours are fine there, redrawing is not.
    """
    in_a_job = os.environ.get("CI", "").lower() not in ("", "0", "false")
    return console.is_interactive and bool(console.file.isatty()) and not in_a_job


def _joined(*parts: str) -> str:
    return "  ".join(part for part in parts if part)


def _columns(title: str, width: int) -> tuple[ProgressColumn, ...]:
    """Title, bar, counts and time left in full; then as much of the details as fits into `width` columns."""
    bar = max(_NARROWEST_BAR, min(_WIDEST_BAR, width - len(title) - _COUNTS_WIDTH))
    return (
        TextColumn("{task.description}", markup=False, table_column=Column(no_wrap=True, min_width=len(title))),
        BarColumn(bar_width=bar),
        TextColumn("{task.fields[counts]}", markup=False, table_column=Column(no_wrap=True, overflow="ignore")),
        TextColumn("{task.fields[details]}", markup=False, table_column=Column(no_wrap=True, ratio=1)),
    )

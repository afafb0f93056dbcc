"""What a person sees of a long run: a live line on a terminal, a plain line now and then elsewhere, a summary."""

from __future__ import annotations

import sys
import time
from collections import deque
from collections.abc import Callable
from types import TracebackType
from typing import IO, cast

from rich.console import Console
from rich.progress import BarColumn, TextColumn
from rich.progress import Progress as RichProgress

from degas.runtime.terminal import Enduring

_PLAIN_SECONDS = 10.0
_REFRESH_SECONDS = 0.2
_SAMPLE_SECONDS = 0.25  # bounds the memory of the rate: 120 samples a window
_WINDOW_SECONDS = 30.0


class RecentRate:
    """Steps a second over the last 30 seconds, or over the last two samples where steps are slower than that.

    Recent, not overall: the first steps (warm-up) or a pause an hour ago say nothing about the time still to come,
    while checkpoints and evaluations within the window do count.
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
    """Reports on standard error, which leaves standard output to results.

        with Progress("search", 1500, start_step=done, quiet=not engine.is_main) as progress:
            …
            progress.update(step, note="epoch 3", loss=0.12)

    On a terminal one live line; elsewhere a plain line at the first update and every 10 seconds. At the end one line
    that says how many steps took how long, also after an error. Quiet prints nothing at all.

    Args:
        title: the stage.
        total_steps: the number of the last step.
        start_step: steps that were finished before (a resumed run); they count in no rate.
    """

    def __init__(
        self,
        title: str,
        total_steps: int,
        *,
        start_step: int = 0,
        quiet: bool = False,
        console: Console | None = None,
        clock: Callable[[], float] = time.monotonic,
    ) -> None:
        self.title, self.total_steps, self.start_step, self.quiet = title, total_steps, start_step, quiet
        self._console = console or Console(file=cast(IO[str], Enduring(sys.stderr)), highlight=False)
        self._clock = clock
        self._step, self._text, self._values = start_step, "", ""
        self._live: RichProgress | None = None
        self._shown_at: float | None = None

    def __enter__(self) -> Progress:
        self._began = self._clock()
        self._rate = RecentRate(self.start_step, self._began)
        if not self.quiet and self._console.is_terminal:
            columns = (TextColumn("{task.description}"), BarColumn(bar_width=20), TextColumn("{task.fields[text]}"))
            self._live = RichProgress(*columns, console=self._console, auto_refresh=False, transient=True)
            self._live.start()
            self._task = self._live.add_task(self.title, total=self.total_steps, completed=self._step, text="")
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        if self._live is not None:
            self._live.stop()
        if not self.quiet:
            self._print(self._summary(finished=kind is None))

    def update(self, step: int, note: str = "", **values: float) -> None:
        """Tells that `step` steps are finished; cheap enough for every step.

        Args:
            note: a few words, such as the epoch.
            values: numbers to show, such as losses; without any, those of the last call that had some stay.
        """
        now = self._clock()
        self._step = step
        self._rate.add(step, now)
        if values:
            self._values = "  ".join(f"{name} {value:.4g}" for name, value in values.items())
        self._text = "  ".join(part for part in (self._values, note) if part)
        period = _REFRESH_SECONDS if self._live is not None else _PLAIN_SECONDS
        if self.quiet or (self._shown_at is not None and now - self._shown_at < period):
            return
        self._shown_at = now
        if self._live is not None:
            self._live.update(self._task, completed=step, text=self._state(), refresh=True)
        else:
            self._print(f"{self.title}  {self._state()}")

    def end_at(self, step: int) -> None:
        """`step` turned out to be the last one: the stage stops early, in good order."""
        self.total_steps = step
        if self._live is not None:
            self._live.update(self._task, total=step)

    def say(self, line: str) -> None:
        """One line that stays, above the live line where there is one; for what happens a few times a run."""
        if not self.quiet:
            self._print(f"{self.title}  {line}")

    def remaining_seconds(self) -> float | None:
        """Steps left over the recent rate; None as long as there is no rate."""
        rate = self._rate.steps_per_second()
        return (self.total_steps - self._step) / rate if rate else None

    def _state(self) -> str:
        rate, remaining = self._rate.steps_per_second(), self.remaining_seconds()
        share = f"{100 * self._step / self.total_steps:.0f} %" if self.total_steps else ""
        parts = [f"{self._step}/{self.total_steps}", share, self._text]
        parts += [format_rate(rate)] if rate else []
        parts += [f"{format_seconds(remaining)} left"] if remaining is not None else []
        return "  ".join(part for part in parts if part)

    def _summary(self, finished: bool) -> str:
        seconds, steps = self._clock() - self._began, self._step - self.start_step
        parts = [f"{steps} steps in {format_seconds(seconds)}"]
        parts += [format_rate(steps / seconds)] if seconds > 0 and steps > 0 else []
        parts += [self._text] if self._text else []
        stopped = "" if finished else f"stopped at step {self._step} of {self.total_steps}: "
        return f"{self.title}: {stopped}{', '.join(parts)}"

    def _print(self, line: str) -> None:
        """One line for one record: no wrapping, no markup, whatever the width."""
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


def format_rate(steps_per_second: float) -> str:
    """`12.3 steps/s`, or seconds a step where that is the larger number."""
    if steps_per_second >= 1:
        return f"{steps_per_second:.3g} steps/s"
    return f"{1 / steps_per_second:.3g} s/step"

"""Time spent on one thing, the looking in between left out, and how busy the machine was meanwhile."""

from __future__ import annotations

import os
import time
from collections.abc import Callable
from contextlib import suppress
from typing import Any

import torch

from degas_lab.speed.timing import wait_for


class Stopwatch:
    """Wall-clock and processor seconds of the stretches between `start` and `stop`.

    Processor seconds are those of all threads of this process. On a machine that others use too they say how much of
    the wall-clock was really ours; on a GPU they mean nothing.
    """

    def __init__(
        self,
        device: torch.device,
        *,
        wall: Callable[[], float] = time.perf_counter,
        processor: Callable[[], float] = time.process_time,
    ) -> None:
        self.device, self._clocks = device, {"wall": wall, "processor": processor}
        self.seconds = {"wall": 0.0, "processor": 0.0}
        self._since: dict[str, float] | None = None

    def start(self) -> None:
        wait_for(self.device)
        self._since = self._now()

    def lap(self) -> dict[str, float]:
        """The seconds so far of each clock; the watch goes on."""
        if self._since is not None:
            wait_for(self.device)
            now = self._now()
            for name, since in self._since.items():
                self.seconds[name] += now[name] - since
            self._since = now
        return dict(self.seconds)

    def stop(self) -> dict[str, float]:
        """The seconds so far; nothing more counts until `start`."""
        found, self._since = self.lap(), None
        return found

    def facts(self) -> dict[str, Any]:
        """Return the part of a trial's record about the time and the machine (JSON values)."""
        found = self.lap()
        facts: dict[str, Any] = {"seconds": found["wall"], "processor_seconds": found["processor"]}
        facts["num_threads"] = torch.get_num_threads()
        with suppress(OSError, AttributeError):  # not every system tells
            facts["load_average"] = list(os.getloadavg())
        return facts

    def _now(self) -> dict[str, float]:
        return {name: clock() for name, clock in self._clocks.items()}

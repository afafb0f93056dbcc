"""The time of one activity, without interruptions such as scoring, and the machine's load."""

from __future__ import annotations

import os
import time
from collections.abc import Callable
from contextlib import suppress
from typing import Any

import torch

from degas_lab.speed.timing import wait_for


class Stopwatch:
    """Wall-clock and processor seconds of the intervals between `start` and `stop`.

    Processor seconds are those of all threads of this process. On a shared machine they show how much of the wall-clock
    time this process got; on a GPU they mean nothing.
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
        """The seconds so far of each clock; the watch keeps running."""
        if self._since is not None:
            wait_for(self.device)
            now = self._now()
            for name, since in self._since.items():
                self.seconds[name] += now[name] - since
            self._since = now
        return dict(self.seconds)

    def stop(self) -> dict[str, float]:
        """The seconds so far; the watch pauses until `start`."""
        found, self._since = self.lap(), None
        return found

    def facts(self) -> dict[str, Any]:
        """Return the entries of a trial's record on time and machine (JSON values)."""
        found = self.lap()
        facts: dict[str, Any] = {"seconds": found["wall"], "processor_seconds": found["processor"]}
        facts |= {"device": self.device.type, "num_threads": torch.get_num_threads()}
        with suppress(OSError, AttributeError):  # not available on every system
            facts["load_average"] = list(os.getloadavg())
        return facts

    def _now(self) -> dict[str, float]:
        return {name: clock() for name, clock in self._clocks.items()}

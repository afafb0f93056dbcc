"""Where trials run: an interface, and the pool of processes on this machine.

On one machine every trial has its own cores: N processes with one thread each, pinned, have N times the throughput of
one, while processes whose threads share cores wait for each other.
"""

from __future__ import annotations

import os
import subprocess
import sys
import time
from collections import deque
from collections.abc import Mapping, Sequence
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path
from typing import Protocol

from degas.errors import UserError
from degas.runtime.cores import allowed_cores
from degas.sweep.trial_process import Order

POLL_SECONDS = 0.05
STOP_SECONDS = 90.0  # for trials to save; longer than a trial waits before it ends itself


@dataclass(frozen=True)
class Attempt:
    """The end of one attempt at a trial."""

    name: str
    exit_status: int
    seconds: float


class Pool(Protocol):
    """Runs trials, some at a time."""

    def has_room(self) -> bool:
        """Return whether another trial would begin at once."""

    def start(self, name: str, order: Order) -> None:
        """Begin a trial that does not run."""

    def ended(self, seconds: float) -> list[Attempt]:
        """The attempts that have ended since the last call; waits up to `seconds` for one."""

    def running(self) -> dict[str, float]:
        """Name → seconds since its start, for every trial that runs."""

    def stop(self) -> None:
        """Stop all trials, with their state saved."""

    @property
    def num_places(self) -> int:
        """The number of trials that run at a time."""


@dataclass(frozen=True)
class Place:
    """What one trial at a time gets: cores, and the value of CUDA_VISIBLE_DEVICES."""

    cores: tuple[int, ...]
    gpus: str = ""


def places(
    cores: Sequence[int], threads: int, processes: int | None, gpus: Sequence[str], per_trial: float
) -> list[Place]:
    """The places of a machine: disjoint cores for each, and GPUs, of which several places share one if `per_trial` < 1.

    Raises `UserError` if there is not enough of either for `processes` places, or for one.
    """
    room = len(cores) // threads
    if room < 1:
        raise UserError(
            f"--cpus-per-trial: is {threads}, and this machine gives {len(cores)} cores; give at most that many"
        )
    if processes is not None and processes > room:
        raise UserError(
            f"--processes: {processes} with {threads} core{'s' if threads > 1 else ''} each need {processes * threads} "
            f"cores, and this machine gives {len(cores)}; give at most {room}"
        )
    devices = _devices(gpus, per_trial)
    if per_trial > 0 and not devices:
        raise UserError(
            f"--gpus-per-trial: is {per_trial:g}, and this machine has {len(gpus)} GPUs; give at most that many"
        )
    count = min([processes or room, *([len(devices)] if per_trial > 0 else [])])
    shares = [tuple(cores[k * threads : (k + 1) * threads]) for k in range(count)]
    return [Place(share, devices[k] if per_trial > 0 else "") for k, share in enumerate(shares)]


def visible_gpus(environment: dict[str, str] | None = None) -> list[str]:
    """The GPUs of this machine as CUDA_VISIBLE_DEVICES names them. Imports torch."""
    given = (os.environ if environment is None else environment).get("CUDA_VISIBLE_DEVICES")
    if given is not None:
        return [name.strip() for name in given.split(",") if name.strip()]
    import torch

    return [str(number) for number in range(torch.cuda.device_count())]


class LocalPool:
    """Processes on this machine, one per place."""

    def __init__(self, all_places: Sequence[Place]) -> None:
        self.num_places = len(all_places)
        self._free = deque(all_places)
        self._processes: dict[str, tuple[subprocess.Popen[bytes], Place, float]] = {}

    def has_room(self) -> bool:
        return bool(self._free)

    def start(self, name: str, order: Order) -> None:
        place = self._free.popleft()
        pinned = Order(**{**vars(order), "cores": place.cores})
        self._processes[name] = (start_process(pinned, {"CUDA_VISIBLE_DEVICES": place.gpus}), place, time.monotonic())

    def ended(self, seconds: float) -> list[Attempt]:
        until = time.monotonic() + seconds
        while True:
            found = [name for name, (process, _, _) in self._processes.items() if process.poll() is not None]
            if found or time.monotonic() >= until:
                return [self._end(name) for name in found]
            time.sleep(POLL_SECONDS)

    def running(self) -> dict[str, float]:
        now = time.monotonic()
        return {name: now - begun for name, (_, _, begun) in self._processes.items()}

    def stop(self) -> None:
        stop_processes([process for process, _, _ in self._processes.values()])
        self._processes.clear()

    def _end(self, name: str) -> Attempt:
        process, place, begun = self._processes.pop(name)
        _close_input(process)
        self._free.append(place)
        return Attempt(name, process.returncode, time.monotonic() - begun)


def local_pool(threads: int, processes: int | None, gpus_per_trial: float) -> LocalPool:
    """The pool for this process's cores, and this machine's GPUs if trials want some."""
    gpus = visible_gpus() if gpus_per_trial > 0 else []
    return LocalPool(places(allowed_cores(), threads, processes, gpus, gpus_per_trial))


def start_process(order: Order, environment: dict[str, str]) -> subprocess.Popen[bytes]:
    """Start the process of a trial, in a session of its own: Ctrl-C is for the driver, which then stops its trials."""
    threads = {"OMP_NUM_THREADS": str(order.threads)}
    log = Path(order.log)
    log.parent.mkdir(parents=True, exist_ok=True)
    with log.open("ab") as printed:
        process = subprocess.Popen(
            [sys.executable, "-m", "degas.sweep.trial_process"],
            stdin=subprocess.PIPE,
            stdout=printed,
            stderr=printed,
            env={**os.environ, **threads, **environment, "PYTHONPATH": _python_path({**os.environ, **environment})},
            start_new_session=True,
        )
    assert process.stdin is not None
    with suppress(BrokenPipeError):  # it has ended already; its exit status says so
        process.stdin.write(order.as_line())
        process.stdin.flush()
    return process


def stop_processes(processes: Sequence[subprocess.Popen[bytes]]) -> None:
    """Tell trials to stop, by the end of their standard input; wait until they have saved, or end them."""
    for process in processes:
        _close_input(process)
    until = time.monotonic() + STOP_SECONDS
    for process in processes:
        try:
            process.wait(max(0.0, until - time.monotonic()))
        except subprocess.TimeoutExpired:
            process.kill()
            process.wait()


def _close_input(process: subprocess.Popen[bytes]) -> None:
    if process.stdin is not None:
        with suppress(BrokenPipeError):
            process.stdin.close()


def _python_path(environment: Mapping[str, str]) -> str:
    """The folder of this package first, so that a trial runs the degas of its driver."""
    mine = str(Path(__file__).parents[2])
    known = environment.get("PYTHONPATH", "").split(os.pathsep)
    return os.pathsep.join([mine, *(path for path in known if path and path != mine)])


def _devices(gpus: Sequence[str], per_trial: float) -> list[str]:
    """The value of CUDA_VISIBLE_DEVICES for each place."""
    if per_trial <= 0:
        return []
    if per_trial >= 1:
        width = round(per_trial)
        return [",".join(gpus[k : k + width]) for k in range(0, len(gpus) - width + 1, width)]
    sharing = int(1 / per_trial + 1e-9)
    return [gpu for gpu in gpus for _ in range(sharing)]

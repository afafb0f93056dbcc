"""The process of one trial: `python -m degas.sweep.trial_process`, with its order as a line of JSON on standard input.

It sets threads and cores before anything imports torch, holds the trial's lock, and runs the trial's commands one after
the other. Standard input stays open: its end means that the starter has ended, however it did. The trial then stops as
after `kill`, with its state saved. So no trial outlives its driver, and the next driver waits for the lock.
"""

from __future__ import annotations

import fcntl
import importlib
import json
import os
import signal
import sys
import threading
import time
from collections.abc import Callable, Sequence
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

MAIN = "degas.cli.main:main"
STILL_RUNNING = 75  # the exit status if an earlier process of the trial does not end (EX_TEMPFAIL)
LOCK_SECONDS = 120.0  # to wait for it
SAVE_SECONDS = 60.0  # to save after the starter has ended
THREAD_VARIABLES = ("OMP_NUM_THREADS", "MKL_NUM_THREADS", "OPENBLAS_NUM_THREADS")


@dataclass(frozen=True)
class Order:
    """What a trial's process is told.

    Attributes:
        commands: the words after `degas` of each command, which run until one fails.
        folder: the working folder.
        log: the file that gets everything printed; the starter opens it.
        lock: the file whose lock says that the trial runs.
        threads: threads of its arithmetic.
        cores: the cores to stay on; empty for any.
        main: `module:function`, called with the words of a command; returns the exit status.
        travels: the run folder may be carried to a node that does not see the sweep's folder.
    """

    commands: list[list[str]]
    folder: str
    log: str
    lock: str
    threads: int = 1
    cores: tuple[int, ...] = ()
    main: str = MAIN
    travels: bool = True

    def as_line(self) -> bytes:
        return f"{json.dumps(asdict(self))}\n".encode()


def main() -> int:
    """Run the order on standard input; return the exit status of its last command."""
    order = Order(**json.loads(_first_line(0)))
    os.chdir(order.folder)
    threading.Thread(target=_end_with_starter, daemon=True).start()
    if not _locked(Path(order.lock)):
        print(f"degas sweep: {order.lock}: an earlier process of this trial still runs", file=sys.stderr)
        return STILL_RUNNING
    set_threads(order.threads, order.cores)
    return run_commands(order.commands, _function(order.main))


def run_commands(commands: Sequence[Sequence[str]], run: Callable[[list[str]], int]) -> int:
    """The exit status of the first command that fails, else 0."""
    for command in commands:
        print(f"$ degas {' '.join(command)}", flush=True)
        sys.argv = ["degas", *command]  # environment.json has the command as one would type it
        if status := run(list(command)):
            return status
    return 0


def set_threads(threads: int, cores: Sequence[int]) -> None:
    """Limit this process, and those that it starts, to so many threads and to these cores."""
    os.environ |= dict.fromkeys(THREAD_VARIABLES, str(threads))
    if cores and hasattr(os, "sched_setaffinity"):
        os.sched_setaffinity(0, cores)


def _first_line(descriptor: int) -> bytes:
    """Read one line without reading beyond it."""
    line = bytearray()
    while not line.endswith(b"\n") and (byte := os.read(descriptor, 1)):
        line += byte
    return bytes(line)


def _end_with_starter() -> None:
    """Wait for the end of standard input; then ask the commands to stop, and end the process if they do not."""
    while os.read(0, 4096):
        pass
    os.kill(os.getpid(), signal.SIGTERM)
    time.sleep(SAVE_SECONDS)
    os._exit(143)


def _locked(path: Path) -> bool:
    """Lock `path` until this process ends; False if another process keeps it for too long."""
    path.parent.mkdir(parents=True, exist_ok=True)
    descriptor = os.open(path, os.O_RDWR | os.O_CREAT | os.O_CLOEXEC, 0o666)  # left open on purpose
    until = time.monotonic() + LOCK_SECONDS
    while True:
        try:
            fcntl.flock(descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)
            return True
        except BlockingIOError:
            if time.monotonic() > until:
                return False
            time.sleep(0.05)


def _function(name: str) -> Callable[[list[str]], int]:
    module, _, function = name.partition(":")
    found: Any = getattr(importlib.import_module(module), function)
    return lambda words: int(found(words) or 0)


if __name__ == "__main__":
    sys.exit(main())

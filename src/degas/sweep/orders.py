"""Orders run to their ends on a pool: the loop of every driver, and a driver for orders that need no table of a sweep.

What an order writes is its own affair. Here counts how it ended: exit status 2 is final, any other failure is tried
twice more, as in a sweep.
"""

from __future__ import annotations

import os
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from functools import partial
from pathlib import Path

from degas.runtime.folder_lock import owned_folder
from degas.runtime.interrupts import StopRequest
from degas.sweep.display import Display, last_line
from degas.sweep.outcomes import status_of
from degas.sweep.pool import Attempt, Pool
from degas.sweep.trial_process import Order

WAIT_SECONDS = 0.2
Waiting = Sequence[tuple[str, Callable[[], Order]]]  # name and order of what is to run, running ones included


def drain(pool: Pool, display: Display, waiting: Callable[[], Waiting], note: Callable[[Attempt], None]) -> None:
    """Start what waits and note what ends, until nothing waits or runs.

    `waiting` is asked at the beginning and after every note. A signal stops the pool, whose trials save, and raises
    `Terminated` or `Interrupted`.
    """
    running: set[str] = set()
    with display, StopRequest() as stop, _stopped_at_the_end(pool):
        left = waiting()
        while left or running:
            if stop.requested:
                pool.stop()
                stop.leave()
            _start(pool, left, running)
            display.update(pool.running())
            for attempt in pool.ended(WAIT_SECONDS):
                running.discard(attempt.name)
                note(attempt)
                left = waiting()


def run_orders(
    folder: Path, orders: Mapping[str, Order], make_pool: Callable[[], Pool], *, quiet: bool = False
) -> dict[str, str]:
    """Run every order, whose log is `folder`/logs/NAME.txt; return, for each that failed, why: its last line.

    Raises `UserError` if another driver owns the folder; `Terminated` or `Interrupted` after a signal.
    """
    left, attempts, failed = list(orders), dict.fromkeys(orders, 0), dict[str, str]()
    with owned_folder(folder):
        pool = make_pool()
        display = Display(len(orders), 0, pool.num_places, folder / "logs", quiet=quiet)

        def note(attempt: Attempt) -> None:
            name = attempt.name
            attempts[name] += 1
            status = status_of(attempt.exit_status, attempts[name])
            said = "" if attempt.exit_status == 0 else last_line(folder / "logs" / f"{name}.txt")
            display.ended(name, status or "again", attempt.seconds, said)
            if status is not None:
                left.remove(name)
            if status in ("failed", "rejected"):
                failed[name] = f"{said.removeprefix('degas: ')} (see {folder / 'logs' / name}.txt)"

        drain(pool, display, lambda: [(name, partial(orders.__getitem__, name)) for name in left], note)
    return {name: failed[name] for name in orders if name in failed}


def order_in(folder: Path, name: str, words: Sequence[str], *, threads: int, main: str) -> Order:
    """The order to call `main` (`module:function`) with `words` in the present folder; its files lie in `folder`.

    Its results do not travel: a node of a cluster that does not see `folder` rejects it.
    """
    log, lock = str(folder / "logs" / f"{name}.txt"), str(folder / "locks" / name)
    return Order([list(words)], os.getcwd(), log, lock, threads, main=main, travels=False)


def _start(pool: Pool, waiting: Waiting, running: set[str]) -> None:
    for name, order in waiting:
        if name in running:
            continue
        if not pool.has_room():  # asked once without success: a cluster answers over the network
            return
        running.add(name)
        pool.start(name, order())


@contextmanager
def _stopped_at_the_end(pool: Pool) -> Iterator[None]:
    try:
        yield
    finally:
        pool.stop()

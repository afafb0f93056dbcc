"""Trials of a measurement side by side: each in a process of its own, which runs the measurement's own command.

The driver runs the command as ever, up to where trials are missing. Each process runs the same command for one of them,
and ends as soon as that trial's file is there. So a trial is made by the same code wherever it runs, and the table,
which is made of the files alone, does not depend on the order in which trials end.

A measurement says by `Trials.make_ahead` which trials may be made ahead: those whose settings are known, and that need
no other trial that is still missing.
"""

from __future__ import annotations

import io
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager, nullcontext, redirect_stdout
from functools import partial
from pathlib import Path

import torch

from degas.cli.current import current_words
from degas.cli.main import main as run_command
from degas.cli.pools import Pooled, make_pool, wants_pool
from degas.sweep.orders import order_in, run_orders
from degas.sweep.pool import Pool
from degas_lab.trials import AHEAD, Make, Trials

MAIN = "degas_lab.ahead:make_one"
FOLDER = "processes"  # of logs and locks, inside that of the trials


class TrialMade(BaseException):
    """Ends a command whose only purpose was one trial."""


class SideBySide:
    """Makes trials in the processes of a pool.

    Args:
        words: of the running command.
        threads: of each trial.
    """

    def __init__(
        self, words: Sequence[str], threads: int, make_pool: Callable[[Path], Pool], *, quiet: bool = False
    ) -> None:
        self.words, self.threads, self.make_pool, self.quiet = tuple(words), threads, make_pool, quiet

    def __call__(self, trials: Trials, missing: Mapping[str, Make]) -> dict[str, str]:
        """Make every missing trial; return for each why it was not made, should it not be there."""
        if not missing:
            return {}
        place = trials.folder.absolute()
        folder = place / FOLDER
        orders = {
            name: order_in(folder, name, [str(place), name, *self.words], threads=self.threads, main=MAIN)
            for name in missing
        }
        failed = run_orders(folder, orders, partial(self.make_pool, folder), quiet=self.quiet)
        lost = {name: f"its process made no trial (see {folder / 'logs' / name}.txt)" for name in missing}
        return lost | failed


class OnlyOne:
    """Makes one trial, and no other, where the command comes to it."""

    def __init__(self, folder: Path, name: str) -> None:
        self.folder, self.name = folder, name

    def __call__(self, trials: Trials, missing: Mapping[str, Make]) -> dict[str, str]:
        if trials.folder.absolute() == self.folder and self.name in missing:
            trials.make(self.name, missing[self.name])
            raise TrialMade
        return {}


@contextmanager
def side_by_side(options: Pooled) -> Iterator[None]:
    """Let trials be made side by side inside the block, if `options` ask for it; with `quiet` nothing of them is
    printed.

    The driver then computes with as many threads as a trial: the last bits of what all trials share (reference
    statistics) depend on their number, and must not depend on the machine.
    """
    told = redirect_stdout(io.StringIO()) if options.quiet else nullcontext()
    if AHEAD.get() is not None or not wants_pool(options):  # in the process of one trial the command is the driver's
        with told:
            yield
        return
    before = torch.get_num_threads()
    torch.set_num_threads(options.cpus_per_trial)
    pool = partial(make_pool, options)
    token = AHEAD.set(SideBySide(current_words(), options.cpus_per_trial, pool, quiet=options.quiet))
    try:
        with told:
            yield
    finally:
        AHEAD.reset(token)
        torch.set_num_threads(before)


def makes_one() -> bool:
    """Return whether this process makes one trial only, so that what a driver tells and checks is for the driver."""
    return isinstance(AHEAD.get(), OnlyOne)


def make_one(words: Sequence[str]) -> int:
    """Run a command for one trial: folder of the trials, name, and the command's words; return the exit status."""
    folder, name, *rest = words
    token = AHEAD.set(OnlyOne(Path(folder), name))
    try:
        return run_command(rest)
    except TrialMade:
        return 0
    finally:
        AHEAD.reset(token)

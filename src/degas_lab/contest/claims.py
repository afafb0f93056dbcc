"""Several processes in one contest: each takes trainings that no other works on. Standard library only."""

from __future__ import annotations

import os
import time
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import TypeVar

from degas.errors import UserError
from degas.runtime.folder_lock import LOCK, lock_folder, make_folder, unlock_folder

T = TypeVar("T")
CLAIMS = ".claims"  # the folder, inside that of the trials, of the claims of processes
PATIENCE_SECONDS = 2.0  # between two checks of the other processes


@contextmanager
def claimed(folder: Path) -> Iterator[bool]:
    """Hold `folder` for this process inside the block; yield False if another process holds it."""
    make_folder(folder)
    try:
        descriptor = lock_folder(folder)
    except UserError:
        if not os.access(folder / LOCK, os.R_OK | os.W_OK):  # the file system denies access
            raise
        yield False
        return
    try:
        yield True
    finally:
        unlock_folder(descriptor)


def make_all(wanted: Sequence[T], make: Callable[[T], bool]) -> None:
    """`make` all that is wanted; wait for what other processes work on, for which it returns False."""
    while wanted:
        left = [one for one in wanted if not make(one)]
        if len(left) == len(wanted):
            time.sleep(PATIENCE_SECONDS)
        wanted = left


@contextmanager
def alone(folder: Path) -> Iterator[None]:
    """Wait until no other process holds `folder`, then hold it inside the block, to write results."""
    while True:
        with claimed(folder) as mine:
            if mine:
                yield
                return
        time.sleep(0.05)

"""Several processes in one contest: each takes trainings that no other has in work. Standard library only."""

from __future__ import annotations

import os
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from degas.errors import UserError
from degas.runtime.folder_lock import LOCK, lock_folder, make_folder, unlock_folder

PATIENCE_SECONDS = 2.0  # between two looks at what others do


@contextmanager
def claimed(folder: Path) -> Iterator[bool]:
    """Hold `folder` for this process inside the block; give False where another process has it."""
    make_folder(folder)
    try:
        descriptor = lock_folder(folder)
    except UserError:
        if not os.access(folder / LOCK, os.R_OK | os.W_OK):  # it is the disk that refuses
            raise
        yield False
        return
    try:
        yield True
    finally:
        unlock_folder(descriptor)


@contextmanager
def alone(folder: Path) -> Iterator[None]:
    """Holds `folder`, having waited until others are done with it: for the moment in which results are written."""
    while True:
        with claimed(folder) as mine:
            if mine:
                yield
                return
        time.sleep(0.05)

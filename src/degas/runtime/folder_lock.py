"""One owner per folder: an advisory lock that ends with its process. Standard library only."""

from __future__ import annotations

import fcntl
import os
import socket
from collections.abc import Iterable, Iterator
from contextlib import contextmanager, suppress
from pathlib import Path

from degas.errors import UserError
from degas.runtime.durable import full_disk_named

LOCK = ".lock"
_held: set[int] = set()  # descriptors of the locks that this process holds


def lock_folder(path: Path) -> int:
    """Locks `path/.lock` and returns the descriptor that `unlock_folder` takes.

    flock, since it also holds between two owners in one process. The file itself stays, for a lock of a dead process is
    gone with that process; only an owner who made the folder and did nothing in it removes both. Whoever waited for
    that very file then holds a lock on nothing, and takes the one of its name anew.

    Raises:
        UserError: another owner holds it (who, where known), or the folder cannot be written or locked.
    """
    descriptor = _locked(path)
    while not _is_in_place(descriptor, path):
        os.close(descriptor)
        descriptor = _locked(path)
    _held.add(descriptor)
    _sign(descriptor)
    return descriptor


def _locked(path: Path) -> int:
    try:
        descriptor = os.open(path / LOCK, os.O_RDWR | os.O_CREAT | os.O_CLOEXEC, 0o666)
    except OSError as error:
        raise UserError(f"{path}: cannot be written ({error.strerror}); give another --out") from error
    try:
        fcntl.flock(descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except OSError as error:
        owner = os.read(descriptor, 200).decode(errors="replace").strip()
        os.close(descriptor)
        if isinstance(error, BlockingIOError):
            whose = f"{owner} uses it" if owner else "another process uses it"
            raise UserError(f"{path}: {whose}; wait until that ends, or give another --out") from error
        raise UserError(f"{path}: cannot be locked ({error.strerror}); give an --out on another disk") from error
    return descriptor


def _is_in_place(descriptor: int, path: Path) -> bool:
    try:
        return os.path.samestat(os.fstat(descriptor), os.stat(path / LOCK))
    except OSError:
        return False


def make_folder(path: Path) -> list[Path]:
    """Makes the folder `path`, and its parents, where missing; returns those that it made, the innermost first."""
    missing = [folder for folder in (path, *path.parents) if not folder.exists()]
    try:
        with full_disk_named(path, "while making it"):
            path.mkdir(parents=True, exist_ok=True)
    except OSError as error:
        raise UserError(f"{path}: cannot be made a folder ({error.strerror}); give another --out") from error
    return missing


def take_back(path: Path, made: Iterable[Path], claim: Iterable[str] = ()) -> None:
    """Removes what its owner wrote into the folder `path` before it was refused, if that is all there is in it.

    Args:
        made: the folders that `make_folder` made, which go too.
        claim: names of files that may lie there, beside the lock.
    """
    claim = {*claim, LOCK}
    if not {entry.name for entry in path.iterdir()} <= claim:
        return
    for name in claim if made else claim - {LOCK}:
        (path / name).unlink(missing_ok=True)
    for folder in made:
        with suppress(OSError):  # somebody else's by now
            folder.rmdir()


@contextmanager
def owned_folder(path: Path) -> Iterator[None]:
    """Makes the folder `path` where it is missing, and holds its lock inside the block."""
    made = make_folder(path)
    descriptor = lock_folder(path)
    try:
        yield
    except UserError:
        take_back(path, made)
        raise
    finally:
        unlock_folder(descriptor)


def unlock_folder(descriptor: int) -> None:
    """Gives the lock up; in a forked child, which has none, does nothing."""
    if descriptor in _held:
        _held.discard(descriptor)
        fcntl.flock(descriptor, fcntl.LOCK_UN)  # at once, also while a child forked this instant still shares it
        os.close(descriptor)


def _sign(descriptor: int) -> None:
    """Says who holds the lock, for the one who is refused; the lock itself does not depend on it."""
    with suppress(OSError):  # a full disk; checkpoints and logs will say so
        os.ftruncate(descriptor, 0)
        os.pwrite(descriptor, f"process {os.getpid()} on {socket.gethostname()}\n".encode(), 0)


def _close_in_child() -> None:
    """A forked child that outlives a killed owner must not keep the folder locked."""
    for descriptor in _held:
        os.close(descriptor)
    _held.clear()


os.register_at_fork(after_in_child=_close_in_child)

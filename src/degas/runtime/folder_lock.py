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

    flock also works between two owners in one process. The file itself stays, since a process's lock ends with the
    process. Only an owner who made the folder and did nothing in it removes both; another process may then have locked
    the removed file, and locks the new file of that name instead.

    Raises:
        UserError: another owner holds it (named if known), or the folder cannot be written or locked.
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
    """Makes the folder `path` and its missing parents; returns the folders that it made, the innermost first."""
    missing = [folder for folder in (path, *path.parents) if not folder.exists()]
    try:
        with full_disk_named(path, "while making it"):
            path.mkdir(parents=True, exist_ok=True)
    except OSError as error:
        raise UserError(f"{path}: the folder cannot be created ({error.strerror}); give another --out") from error
    return missing


def take_back(path: Path, made: Iterable[Path], claim: Iterable[str] = ()) -> None:
    """Removes what a rejected owner wrote into the folder `path`, if the folder holds nothing else.

    Args:
        made: the folders that `make_folder` made; they are removed too.
        claim: the owner's files, besides the lock.
    """
    claim = {*claim, LOCK}
    if not {entry.name for entry in path.iterdir()} <= claim:
        return
    for name in claim if made else claim - {LOCK}:
        (path / name).unlink(missing_ok=True)
    for folder in made:
        with suppress(OSError):  # another process uses it by now
            folder.rmdir()


@contextmanager
def owned_folder(path: Path) -> Iterator[None]:
    """Makes the folder `path` if missing, and holds its lock inside the block."""
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
    """Releases the lock; does nothing in a forked child, which has none."""
    if descriptor in _held:
        _held.discard(descriptor)
        fcntl.flock(descriptor, fcntl.LOCK_UN)  # at once, even while a child forked at this instant still shares it
        os.close(descriptor)


def _sign(descriptor: int) -> None:
    """Writes who holds the lock, for the message to others; the lock itself does not depend on it."""
    with suppress(OSError):  # a full disk; checkpoints and logs report it
        os.ftruncate(descriptor, 0)
        os.pwrite(descriptor, f"process {os.getpid()} on {socket.gethostname()}\n".encode(), 0)


def _close_in_child() -> None:
    """A forked child that outlives a killed owner must not keep the folder locked."""
    for descriptor in _held:
        os.close(descriptor)
    _held.clear()


os.register_at_fork(after_in_child=_close_in_child)

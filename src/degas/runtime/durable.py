"""Files that are complete or absent, and on the disk before anyone relies on them. Standard library only."""

from __future__ import annotations

import errno
import os
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from pathlib import Path

from degas.errors import UserError, unwritable

_FULL = (errno.ENOSPC, errno.EDQUOT)


def write_new_file(path: Path, data: bytes | memoryview) -> None:
    """Writes `data` to `path` and waits until it is on the disk; its name is safe only after `sync_folder`."""
    with open(path, "wb") as handle:
        handle.write(data)
        handle.flush()
        os.fsync(handle.fileno())


def sync_file(path: Path) -> None:
    """Waits until everything written to `path` so far, by any process, is on the disk."""
    descriptor = os.open(path, os.O_RDONLY | os.O_CLOEXEC)
    try:
        os.fsync(descriptor)
    finally:
        os.close(descriptor)


def sync_folder(folder: Path) -> None:
    """Waits until the folder's entries (new names, renames) are on the disk; ignores disks that cannot do this."""
    try:
        sync_file(folder)
    except OSError as error:
        if error.errno not in (errno.EINVAL, errno.ENOTSUP):
            raise


def replace_file(path: Path, data: bytes) -> None:
    """Replaces `path`: it holds its old content or all of `data`, whatever happens. One writer per file at a time."""
    part = path.with_name(f".{path.name}.part")  # a fixed name, so that a killed process's leftover is overwritten
    try:
        write_new_file(part, data)
        os.replace(part, path)
    except BaseException:
        with suppress(OSError):
            part.unlink(missing_ok=True)
        raise
    sync_folder(path.parent)


@contextmanager
def writing(path: Path) -> Iterator[None]:
    """Make the folder of `path`, and turn the system's refusals inside the block into a `UserError` that names `path`.

    For what a user saves by name: a folder in a file's place, or a file in a folder's, is one line from Python too.
    """
    place = path.parent
    try:
        place.mkdir(parents=True, exist_ok=True)
        place = path
        yield
    except OSError as error:
        plain = OSError(error.errno, error.strerror)  # its file may be a temporary one, which means nothing to a user
        raise unwritable(place, plain) or error from None


def share_as_umask_says(path: Path) -> None:
    """Give `path` the mode of an ordinary new file; only the owner can read the temporary files of libraries."""
    probe = path.with_name(f".{path.name}-{os.getpid()}.mode")
    probe.touch(0o666)
    try:
        path.chmod(probe.stat().st_mode & 0o777)
    finally:
        probe.unlink()


def reject_unwritable(path: Path) -> None:
    """Raise `UserError` if the file `path` cannot be written, before the work whose result goes there."""
    try:
        if path.is_dir():
            raise IsADirectoryError(errno.EISDIR, os.strerror(errno.EISDIR))
        path.parent.mkdir(parents=True, exist_ok=True)
        part = path.with_name(f".{path.name}.part")
        part.touch()
        part.unlink()
    except OSError as error:
        raise UserError(f"{path}: cannot be written ({error.strerror}); give another --out") from error


def append_line(path: Path, line: str) -> None:
    """Adds one line. If only part of it fits on the disk, that part is removed before the error is raised."""
    data = memoryview(f"{line}\n".encode())
    descriptor = os.open(path, os.O_WRONLY | os.O_APPEND | os.O_CREAT | os.O_CLOEXEC, 0o666)
    try:
        before = os.fstat(descriptor).st_size
        try:
            while data:
                data = data[os.write(descriptor, data) :]
        except OSError:
            with suppress(OSError):
                os.ftruncate(descriptor, before)
            raise
    finally:
        os.close(descriptor)


@contextmanager
def full_disk_named(folder: Path, doing: str) -> Iterator[None]:
    """Turns "no space left" inside the block into a `UserError` that names `folder` and the activity."""
    try:
        yield
    except OSError as error:
        if error.errno not in _FULL:
            raise
        raise UserError(
            f"{folder}: the disk is full ({doing}); what was saved before is kept: free some space, then resume"
        ) from error

"""Files that are whole or absent, and on the disk before anyone counts on them. Standard library only."""

from __future__ import annotations

import errno
import os
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from pathlib import Path

from degas.errors import UserError

_FULL = (errno.ENOSPC, errno.EDQUOT)


def write_new_file(path: Path, data: bytes | memoryview) -> None:
    """Writes `data` to `path` and waits until the disk has it; the file's name is safe after `sync_folder` only."""
    with open(path, "wb") as handle:
        handle.write(data)
        handle.flush()
        os.fsync(handle.fileno())


def sync_file(path: Path) -> None:
    """Waits until the disk has what was written to `path` so far, by whomever."""
    descriptor = os.open(path, os.O_RDONLY | os.O_CLOEXEC)
    try:
        os.fsync(descriptor)
    finally:
        os.close(descriptor)


def sync_folder(folder: Path) -> None:
    """Waits until the disk has the folder's entries (new names, renames); disks that cannot are let off."""
    try:
        sync_file(folder)
    except OSError as error:
        if error.errno not in (errno.EINVAL, errno.ENOTSUP):
            raise


def replace_file(path: Path, data: bytes) -> None:
    """`path` holds either its old content or all of `data`, whatever happens. One writer a file at a time."""
    part = path.with_name(f".{path.name}.part")  # a fixed name: what a killed process left is written over
    try:
        write_new_file(part, data)
        os.replace(part, path)
    except BaseException:
        with suppress(OSError):
            part.unlink(missing_ok=True)
        raise
    sync_folder(path.parent)


def share_as_umask_says(path: Path) -> None:
    """Give `path` the mode of a file made in the ordinary way; libraries' temporary files are their owner's alone."""
    probe = path.with_name(f".{path.name}-{os.getpid()}.mode")
    probe.touch(0o666)
    try:
        path.chmod(probe.stat().st_mode & 0o777)
    finally:
        probe.unlink()


def refuse_unwritable(path: Path) -> None:
    """Raise `UserError` where the file `path` could not be written, before work whose result it is to hold."""
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
    """Adds one line. Where only half of it fits, the half is taken back before the error goes on."""
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
    """Turns "no space left" inside the block into a `UserError` that names `folder` and says what was going on."""
    try:
        yield
    except OSError as error:
        if error.errno not in _FULL:
            raise
        raise UserError(
            f"{folder}: the disk is full ({doing}); what was saved before is kept: free some space, then resume"
        ) from error

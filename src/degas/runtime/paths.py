"""Paths as people write them, and the folder for a user's caches. Standard library only."""

from __future__ import annotations

import os
import tempfile
from pathlib import Path

from degas.errors import UserError
from degas.runtime.names import existing


def expanded(path: str | os.PathLike[str]) -> Path:
    """The path with a leading `~` or `~name` replaced by that home, which a shell does not do after a quote or =.

    An existing file is found however the file system stores the accents of its name.

    Raises:
        UserError: there is no such home folder, or `path` is no path, or an empty one, which would be the current
            folder.
    """
    if not isinstance(path, str | os.PathLike):
        raise UserError(f"an object of type {type(path).__name__} is no path; give a path or a name as text")
    if path == "":
        raise UserError("a path is empty; name the file or folder")
    try:
        return existing(Path(path).expanduser())
    except RuntimeError as error:
        raise UserError(f"{os.fspath(path)}: no such home folder; write the path in full") from error


def cache_home() -> Path:
    """$XDG_CACHE_HOME, else ~/.cache; without a writable home, a folder among the temporary files.

    In a container run as `docker --user 1234` the user has no name, and no home or `/`.
    """
    if given := os.environ.get("XDG_CACHE_HOME"):
        return expanded(given)
    try:
        usual = Path.home() / ".cache"
    except RuntimeError:
        return _temporary()
    there = next(folder for folder in (usual / "degas", usual, *usual.parents) if folder.exists())
    return usual if there == usual / "degas" or os.access(there, os.W_OK) else _temporary()


def _temporary() -> Path:
    """The user's own folder among the temporary ones; one that belongs to another user is rejected."""
    folder = Path(tempfile.gettempdir()) / f"cache-{os.getuid()}"
    folder.mkdir(mode=0o700, exist_ok=True)
    if folder.is_symlink() or folder.stat().st_uid != os.getuid():
        raise UserError(f"{folder}: belongs to another user; name a folder of yours as XDG_CACHE_HOME")
    return folder

"""Paths as people write them, and the folder that a user's caches lie in. Standard library only."""

from __future__ import annotations

import os
import tempfile
from pathlib import Path

from degas.errors import UserError
from degas.runtime.names import existing


def expanded(path: str | os.PathLike[str]) -> Path:
    """The path, `~` and `~name` at its start replaced by that home: a shell does so only where no quote or = is before.

    What is there under this name is found however the name's accents are stored.

    Raises:
        UserError: there is no such home.
    """
    try:
        return existing(Path(path).expanduser())
    except RuntimeError as error:
        raise UserError(f"{os.fspath(path)}: no such home folder; write the path in full") from error


def cache_home() -> Path:
    """$XDG_CACHE_HOME, else ~/.cache; for a user without a home, or with one to read only, a folder of temporary files.

    A container run as `docker --user 1234` has such a user: no name, and no home or `/`.
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
    """The user's own folder among the temporary ones; nobody else's of that name is believed."""
    folder = Path(tempfile.gettempdir()) / f"cache-{os.getuid()}"
    folder.mkdir(mode=0o700, exist_ok=True)
    if folder.is_symlink() or folder.stat().st_uid != os.getuid():
        raise UserError(f"{folder}: belongs to another user; name a folder of yours as XDG_CACHE_HOME")
    return folder

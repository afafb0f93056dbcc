"""Architectures shipped with the package, by name: `degas train --architecture NAME`. Standard library only.

Each is an ordinary architecture file `architectures/NAME.json`; its provenance names its search.
"""

from __future__ import annotations

import re
from pathlib import Path

from degas.errors import UserError, nearest
from degas.space.architecture import Architecture

FOLDER = Path(__file__).parent / "architectures"
NAME = re.compile(r"[a-z0-9]+(-[a-z0-9]+)*")  # no dots and slashes: a name never leaves the folder


def shipped_names() -> tuple[str, ...]:
    """The names, sorted."""
    return tuple(sorted(path.stem for path in FOLDER.glob("*.json") if NAME.fullmatch(path.stem)))


def shipped_file(name: str) -> Path | None:
    """The architecture file of that name, or None if none is shipped."""
    path = FOLDER / f"{name}.json"
    return path if NAME.fullmatch(name) and path.is_file() else None


def load_shipped(name: str) -> Architecture:
    """The architecture of that name; if none is shipped, a `UserError` suggests the nearest."""
    path = shipped_file(name)
    if path is None:
        raise UserError(f"no architecture {name!r} comes with degas{nearest(name, shipped_names())}")
    return Architecture.load(path)

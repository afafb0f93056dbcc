"""Architectures that come with the package, by name: `degas train --architecture NAME`. Standard library only.

Each is an ordinary architecture file `architectures/NAME.json`, whose provenance says which search it came from.
"""

from __future__ import annotations

import re
from pathlib import Path

from degas.errors import UserError, nearest
from degas.space.architecture import Architecture

FOLDER = Path(__file__).parent / "architectures"
NAME = re.compile(r"[a-z0-9]+(-[a-z0-9]+)*")  # no dots and slashes: a name never leads out of the folder


def shipped_names() -> tuple[str, ...]:
    """The names, sorted; none is an error."""
    return tuple(sorted(path.stem for path in FOLDER.glob("*.json") if NAME.fullmatch(path.stem)))


def shipped_file(name: str) -> Path | None:
    """The architecture file of that name, or None where none ships."""
    path = FOLDER / f"{name}.json"
    return path if NAME.fullmatch(name) and path.is_file() else None


def load_shipped(name: str) -> Architecture:
    """The architecture of that name; `UserError` with the nearest one where none ships."""
    path = shipped_file(name)
    if path is None:
        raise UserError(f"no architecture {name!r} comes with degas{nearest(name, shipped_names())}")
    return Architecture.load(path)

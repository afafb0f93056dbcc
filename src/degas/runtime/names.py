"""Names as people type them and as file systems keep them: macOS takes é apart into e and an accent."""

from __future__ import annotations

import unicodedata
from collections.abc import Iterable
from contextlib import suppress
from pathlib import Path


def composed(name: str) -> str:
    """`name` with every letter and its accents as one character (NFC): the form in which names are compared."""
    return unicodedata.normalize("NFC", name)


def same_name(name: str, choices: Iterable[str]) -> str | None:
    """The one of `choices` that is `name`, however the two are composed; the very same spelling first."""
    choices = list(choices)
    wanted = composed(name)
    return name if name in choices else next((choice for choice in choices if composed(choice) == wanted), None)


def existing(path: Path) -> Path:
    """`path` as the file system spells it; unchanged where nothing there has this name."""
    if str(path).isascii():
        return path
    found = Path(path.anchor)
    with suppress(OSError, ValueError):  # a name that no file can have: whoever opens it will say so
        for part in path.relative_to(path.anchor).parts:
            there = part if (found / part).exists() else same_name(part, (entry.name for entry in found.iterdir()))
            if there is None:
                return path
            found = found / there
        return found
    return path

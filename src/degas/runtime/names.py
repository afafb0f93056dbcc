"""Names as people type them and as file systems store them: macOS splits é into e and an accent."""

from __future__ import annotations

import unicodedata
from collections.abc import Iterable
from contextlib import suppress
from pathlib import Path


def composed(name: str) -> str:
    """`name` with each letter and its accents as one character (NFC), the form for comparing names."""
    return unicodedata.normalize("NFC", name)


def same_name(name: str, choices: Iterable[str]) -> str | None:
    """The choice that equals `name` up to composition; an identical spelling comes first."""
    choices = list(choices)
    wanted = composed(name)
    return name if name in choices else next((choice for choice in choices if composed(choice) == wanted), None)


def existing(path: Path) -> Path:
    """`path` as the file system spells it; unchanged if no file has this name."""
    if str(path).isascii():
        return path
    found = Path(path.anchor)
    with suppress(OSError, ValueError):  # a name that no file can have: opening it reports that
        for part in path.relative_to(path.anchor).parts:
            there = part if (found / part).exists() else same_name(part, (entry.name for entry in found.iterdir()))
            if there is None:
                return path
            found = found / there
        return found
    return path

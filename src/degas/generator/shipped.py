"""Trained generators that come with the package, by name: `degas sample --generator NAME`. Standard library only.

Each is a generator folder `trained/NAME`: weights (as float16, which loading turns into float32), `config.json`, its
model card and a picture, and `shipped.json` with its command, its scores and a few samples to compare with.
`tools/ship_generator.py` writes it. Names are apart from those of shipped architectures: `--architecture NAME` means
an architecture, everything that takes a generator means a generator.
"""

from __future__ import annotations

from pathlib import Path

from degas.space.shipped import NAME

FOLDER = Path(__file__).parent / "trained"
MAX_BYTES = 1_000_000  # of a folder, all its files together


def shipped_generators() -> tuple[str, ...]:
    """The names, sorted; an empty tuple is no error."""
    return tuple(sorted(path.name for path in FOLDER.glob("*") if shipped_folder(path.name) is not None))


def shipped_folder(name: str) -> Path | None:
    """The generator folder of that name, or None if none ships."""
    folder = FOLDER / name
    return folder if NAME.fullmatch(name) and (folder / "config.json").is_file() else None

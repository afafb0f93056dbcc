"""Reads the files of a run folder for the page; what is missing is empty, and what is damaged is named in the notes."""

from __future__ import annotations

import json
from collections.abc import Callable
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, TypeVar

from degas.errors import UserError
from degas.report.pictures import Picture, read_film, read_picture

MAX_JSON_BYTES = 64 << 20
Loaded = TypeVar("Loaded")
Record = dict[str, Any]


@dataclass(frozen=True)
class Reader:
    """The files below `folder`; `notes` gathers a line for each that was left out."""

    folder: Path
    notes: list[str] = field(default_factory=list)

    def json(self, path: Path) -> Record:
        """The object in a JSON file; {} if the file is missing or unreadable."""
        value = self.value(path)
        return value if isinstance(value, dict) else {}

    def objects(self, path: Path) -> list[Record]:
        """The objects of a list in a JSON file; [] if the file is missing or unreadable."""
        found = self.value(path)
        return [record for record in found if isinstance(record, dict)] if isinstance(found, list) else []

    def value(self, path: Path) -> Any:
        """The value in a JSON file; None if the file is missing or unreadable."""
        if not path.exists():
            return None
        try:
            if path.stat().st_size > MAX_JSON_BYTES:
                raise ValueError("file too large")
            return _loads(path.read_text(encoding="utf-8"))
        except OSError as error:
            self.leave_out(path, f"left out ({error.strerror})")
        except (ValueError, RecursionError) as error:
            self.leave_out(path, f"left out, not valid JSON ({' '.join(str(error).split())[:80]})")
        return None

    def jsonl(self, path: Path) -> list[Record]:
        """The objects of a log; its last line may be half-written, which is normal during a run."""
        if not path.exists():
            return []
        try:
            if path.stat().st_size > MAX_JSON_BYTES:
                raise OSError("file too large")
            lines = path.read_bytes().split(b"\n")
        except OSError as error:
            self.leave_out(path, f"left out ({error})")
            return []
        records, bad = [], 0
        for k, line in enumerate(lines):
            try:
                value = _loads(line.decode("utf-8")) if line.strip() else None
            except (ValueError, RecursionError):
                bad += k < len(lines) - 1
                continue
            if isinstance(value, dict):
                records.append(value)
        if bad:
            self.leave_out(path, f"{bad} damaged line{'s' if bad > 1 else ''} left out")
        return records

    def picture(self, path: Path) -> Picture | None:
        return self._picture(path, read_picture)

    def film(self, name: str) -> Picture | None:
        """The film or picture `name` of the run folder, by the first ending that is there: .webp, .gif, .png."""
        for ending, read in ((".webp", read_film), (".gif", read_film), (".png", read_picture)):
            found = self._picture(self.folder / f"{name}{ending}", read)
            if found is not None:
                return found
        return None

    def loaded(self, load: Callable[[], Loaded]) -> Loaded | None:
        """What `load` returns, such as an architecture; None, with a note, if it raises `UserError`."""
        try:
            return load()
        except UserError as error:
            self.notes.append(str(error).replace(f"{self.folder}/", "", 1))
            return None

    def leave_out(self, path: Path, why: str) -> None:
        self.notes.append(f"{self.name_of(path)}: {why}")

    def name_of(self, path: Path) -> str:
        return str(path.relative_to(self.folder))

    def _picture(self, path: Path, read: Callable[[Path], Picture]) -> Picture | None:
        if not path.exists():
            return None
        try:
            return read(path)
        except ValueError as error:
            self.leave_out(path, f"picture left out ({error})")
            return None


def _loads(text: str) -> Any:
    return json.loads(text, parse_constant=lambda _: None)  # NaN and Infinity are not JSON

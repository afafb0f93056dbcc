"""JSON files and lines of logs. Standard library only."""

from __future__ import annotations

import json
import math
import os
from pathlib import Path
from typing import Any

from degas.errors import UserError, unreadable
from degas.runtime.durable import full_disk_named, replace_file


def write_json(path: Path, value: Any) -> None:
    """Writes `value` to `path`, which holds the old content or the new, never half. Paths become text.

    Raises:
        ValueError: a number is NaN or infinite; JSON has neither.
        UserError: the disk is full.
    """
    text = json.dumps(value, indent=2, ensure_ascii=False, allow_nan=False, default=path_as_text)
    with full_disk_named(path.parent, f"while writing {path.name}"):
        replace_file(path, f"{text}\n".encode())


def read_jsonl(path: Path) -> list[dict]:
    """The records of a log. A half-written last line is left out; a missing file has no records.

    Raises:
        UserError: another line is not a JSON object; the message gives its number.
    """
    path = Path(path)
    if not path.exists():
        return []
    lines = path.read_bytes().split(b"\n")
    records = []
    for number, line in enumerate(lines, start=1):
        record = _parse(line)
        if record is not None:
            records.append(record)
        elif line.strip() and number < len(lines):
            raise UserError(f"{path}:{number}: not a JSON object; the file is damaged")
    return records


def plain_number(value: Any) -> Any:
    """The number in a tensor or array of one element; anything else unchanged."""
    return value.item() if hasattr(value, "item") else value


def number(value: Any) -> float | None:
    """`value` as a finite float, or None if it is not a finite number."""
    if isinstance(value, bool) or not isinstance(value, int | float):
        return None
    try:
        return float(value) if math.isfinite(value) else None
    except OverflowError:  # an integer beyond the range of float
        return None


def _parse(line: bytes) -> dict | None:
    try:
        record = json.loads(line)
    except (ValueError, RecursionError):
        return None
    return record if isinstance(record, dict) else None


def keep_line(line: bytes, step: int) -> bool:
    record = _parse(line)
    return record is not None and type(record.get("step")) is int and record["step"] <= step


def as_json(settings: dict) -> dict:
    """Return the settings as a file would give them back, so that tuples and lists compare equal."""
    result: dict = json.loads(json.dumps(settings, allow_nan=False, default=path_as_text))
    return result


def path_as_text(value: Any) -> str:
    if isinstance(value, os.PathLike):
        return os.fspath(value)
    raise TypeError(f"{type(value).__name__} is not a JSON value")


def read_config(path: Path) -> dict[str, Any]:
    """Return config.json of a run folder."""
    missing = f"{path.parent}: holds a run without config.json, so its settings are unknown; give another --out"
    return read_object(path, missing=missing, advice="give another --out")


def read_object(path: Path, *, missing: str, advice: str) -> dict[str, Any]:
    """Return the object in a JSON file.

    Raises:
        UserError: `missing` if there is no such file, else what is wrong with it, with `advice`.
    """
    try:
        found = json.loads(path.read_bytes())
    except (FileNotFoundError, NotADirectoryError):
        raise UserError(missing) from None
    except OSError as error:
        raise unreadable(path, error) from None
    except (ValueError, RecursionError) as error:
        raise UserError(f"{path}: not readable as JSON ({error}); {advice}") from None
    if not isinstance(found, dict):
        raise UserError(f"{path}: not a JSON object; {advice}")
    return found

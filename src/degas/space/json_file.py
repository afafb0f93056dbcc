"""Files of JSON that people write by hand and share: read with bounds, written whole. Standard library only."""

from __future__ import annotations

import json
from collections.abc import Iterable
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from degas.errors import UserError, nearest
from degas.runtime.durable import replace_file, writing
from degas.runtime.paths import expanded
from degas.space.graph import short

MAX_FILE_BYTES = 1 << 20


@dataclass(frozen=True)
class FileKind:
    """One kind of file: `words` in messages ("architecture file"), its usual `name`, `format` and `version`."""

    words: str
    name: str
    format: str
    version: int

    @property
    def a(self) -> str:
        return f"{'an' if self.words[0] in 'aeiou' else 'a'} {self.words}"


def read_json_file(path: str | Path, kind: FileKind) -> Any:
    """Return the JSON value in a file; raises `UserError` with one line that names the fault."""
    path = expanded(path)
    try:
        with path.open("rb") as handle:
            content = handle.read(MAX_FILE_BYTES + 1)  # the file system's size may be wrong, or it is a device
        if len(content) > MAX_FILE_BYTES:
            raise UserError(f"{path}: too large for {kind.a} (over {MAX_FILE_BYTES} bytes)")
        return json.loads(content.decode("utf-8-sig"))  # editors on Windows begin a file with a byte-order mark
    except OSError as error:
        article = "an" if kind.name[0] in "aeiou" else "a"
        raise UserError(f"{path}: cannot be read: {error.strerror}; give {article} {kind.name}") from None
    except RecursionError:
        raise UserError(f"{path}: not {kind.a}: nested too deeply") from None
    except UnicodeDecodeError:
        raise UserError(f"{path}: not valid JSON: its text is not UTF-8; save it as UTF-8") from None
    except ValueError as error:
        raise UserError(f"{path}: not valid JSON: {_one_line(error)}") from None


def check_head(data: Any, where: str, kind: FileKind, keys: Iterable[str]) -> None:
    """Raise `UserError` unless `data` is an object of this kind and version, with no keys but `keys`."""
    if not isinstance(data, dict):
        raise UserError(f"{where}: must be a JSON object")
    if data.get("format") != kind.format:
        raise UserError(f"{where}: not {kind.a} ('format' must be {kind.format!r})")
    if type(data.get("version")) is not int or data["version"] != kind.version:
        raise UserError(
            f"{where}: {kind.words} version {short(data.get('version'))} is not {kind.version}; update degas"
        )
    check_keys(data, where, {"format", "version", "provenance", *keys})


def check_keys(data: dict[str, Any], where: str, allowed: Iterable[str]) -> None:
    """Raise `UserError` for a key that is not `allowed`; `where` begins the message."""
    allowed = set(allowed)
    for key in data:
        if key not in allowed:
            raise UserError(f"{where}: unknown key {short(key)}{nearest(key, allowed)}")


def provenance_of(data: dict[str, Any], where: str) -> dict[str, Any]:
    """Return the object 'provenance' of a file; raise `UserError` if it could not be written again."""
    provenance = data.get("provenance", {})
    if not isinstance(provenance, dict):
        raise UserError(f"{where}: 'provenance' must be an object")
    try:  # no infinite numbers, no lone surrogates
        json.dumps(provenance, ensure_ascii=False, allow_nan=False).encode()
    except ValueError:
        raise UserError(f"{where}: 'provenance' holds a number or a text that JSON cannot hold") from None
    return provenance


def file_text(data: dict[str, Any]) -> str:
    """The text of a file with this JSON object; the same for equal objects."""
    return json.dumps(data, indent=2, ensure_ascii=False, allow_nan=False) + "\n"


def save_json_file(path: str | Path, text: str) -> None:
    """Write the file completely or not at all; it is on the disk before anyone relies on it.

    Raises `UserError` if it cannot be written.
    """
    path = expanded(path)
    with writing(path):
        replace_file(path, text.encode())


def _one_line(error: Exception) -> str:
    return " ".join(str(error).split())[:200]

"""The contents of the cache folder, listed and removed: the cache itself never evicts anything."""

from __future__ import annotations

import fcntl
import json
import shutil
import time
from collections.abc import Iterator
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path

from degas.data.cache import try_lock

DOWNLOADS = "downloads"  # kinds that must be downloaded again once removed
_DAY_SECONDS = 86_400


@dataclass(frozen=True)
class Entry:
    """One item in the cache: its kind, path, bytes, last use, and description."""

    kind: str
    path: Path
    num_bytes: int
    used: float  # seconds since the epoch
    words: str

    def unused_days(self, now: float | None = None) -> float:
        return ((now or time.time()) - self.used) / _DAY_SECONDS


def cache_entries(folder: Path) -> list[Entry]:
    """Everything in the cache `folder`, the longest unused first, without incomplete entries."""
    found = [*_image_sets(folder / "images"), *_files(folder)]
    return sorted(found, key=lambda entry: (entry.kind, entry.used))


def clear(entries: list[Entry]) -> tuple[int, int]:
    """Remove `entries` and return their number and bytes. An entry in use or of another owner is kept."""
    gone = [entry for entry in entries if _removed(entry)]
    return len(gone), sum(entry.num_bytes for entry in gone)


def _image_sets(root: Path) -> Iterator[Entry]:
    for path in sorted(root.glob("*/about.json")):
        if path.parent.name.startswith("."):
            continue
        entry = _image_set(path)
        if entry is not None:
            yield entry


def _image_set(path: Path) -> Entry | None:
    """The entry whose about.json is `path`, or None if that cannot be read."""
    with suppress(OSError, ValueError, KeyError, TypeError):
        about = json.loads(path.read_text(encoding="utf-8"))
        sizes = [file.stat().st_size for file in path.parent.iterdir()]
        shape = "×".join(f"{n:,}" for n in about["shape"])
        return Entry("images", path.parent, sum(sizes), path.stat().st_mtime, f"{about.get('source', '?')}, {shape}")
    return None


def _files(folder: Path) -> Iterator[Entry]:
    """Yield every other file, grouped by folder; archives and weights are downloads."""
    for path in sorted(folder.rglob("*")):
        part = path.relative_to(folder).parts[0]
        if part == "images" or not path.is_file():
            continue
        kind = part if part in ("statistics", "matplotlib") else DOWNLOADS
        status = path.stat()
        yield Entry(kind, path, status.st_size, max(status.st_mtime, status.st_atime), path.name)


def _removed(entry: Entry) -> bool:
    try:
        if entry.kind != "images":
            entry.path.unlink()
            return True
        lock = entry.path.with_name(f"{entry.path.name}.lock")
        with lock.open("a") as stream:
            if not try_lock(stream, fcntl.LOCK_EX | fcntl.LOCK_NB):
                return False
            shutil.rmtree(entry.path)
            lock.unlink()
        return True
    except OSError:
        return False

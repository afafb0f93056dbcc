"""A source before decoding: a listing for the cache key, and the pictures one by one."""

from __future__ import annotations

import hashlib
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np

from degas.data.bad_pictures import BadPictureError
from degas.data.notes import Note

DEFAULT_SIZE = 32  # pixels per side, unless the user or the source gives a size

# One undecoded picture: pixels (H, W) or (H, W, 1, 3 or 4) uint8 or uint16, an encoded file's bytes, its path, or its
# error, so that the other bad pictures of the source are found as well.
Payload = np.ndarray | bytes | Path | BadPictureError
Picture = tuple[str, Payload]  # the name is for messages


@dataclass(frozen=True)
class Records:
    """`num_images` pictures in a fixed order; `read(rows)` yields those with the ascending row numbers `rows`."""

    num_images: int
    read: Callable[[np.ndarray], Iterator[Picture]]
    labels: np.ndarray | None = None  # int64 (num_images,)
    class_names: tuple[str, ...] = ()
    notes: tuple[Note, ...] = ()  # notes from reading them, such as a missing part; kept with the cached images


@dataclass(frozen=True)
class Origin:
    """A recognised SRC.

    `listing()` is the cheap description of the contents (names, sizes, times) for the cache key; `content()` hashes the
    contents themselves. `cached` is False if decoding costs less than a cache. `notes()` gives the notes that follow
    from names alone, at each load of the source.
    """

    kind: str  # in words, for messages and `degas data info`
    records: Callable[[], Records]
    listing: Callable[[], list[Any]]
    content: Callable[[], str]
    default_size: int = DEFAULT_SIZE
    default_crop: int | None = None
    channels: int | None = None  # if known before decoding
    cached: bool = True
    notes: Callable[[], tuple[Note, ...]] = tuple


def stamp(path: Path, name: str | None = None) -> list[Any]:
    """Name, bytes and times of a file, with the change time, because copying tools restore the modification time."""
    status = path.stat()
    return [name or str(path.resolve()), status.st_size, status.st_mtime_ns, status.st_ctime_ns]


def content_digest(files: list[tuple[str, Path]]) -> str:
    """sha256 over the names and contents of files, without paths outside the source: a moved copy has the same one."""
    digest = hashlib.sha256()
    for name, path in files:
        with path.open("rb") as stream:
            inner = hashlib.file_digest(stream, "sha256").hexdigest()
        digest.update(f"{name}\0{inner}\n".encode("utf-8", "surrogatepass"))
    return digest.hexdigest()


def origin_of_file(kind: str, path: Path, records: Callable[[], Records], **rest: Any) -> Origin:
    """The `Origin` of a source in one file."""
    return Origin(
        kind,
        records,
        listing=lambda: [stamp(path)],
        content=lambda: content_digest([(path.name, path)]),
        **rest,
    )

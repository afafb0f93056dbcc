"""SRC → `ImageSet`: recognises the kind of source and calls its reader.

SRC is `digits`, `photos`, a folder or zip file of images, an `.npz`, an official archive of CIFAR-10, STL-10 or CelebA
or its unpacked folder, a `.parquet`, `hub:ID`, or `cifar10` / `stl10` after `degas data fetch`.
"""

from __future__ import annotations

import os
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from typing import Any

from degas.data import arrays, embedded, fetch, folders, hub, registered
from degas.data.cache import decode_in_memory, load_cached
from degas.data.from_python import python_origin
from degas.data.image_set import ImageSet, checked, fixed_subset, with_present_classes
from degas.data.members import TAR_SUFFIXES
from degas.data.notes import tell
from degas.data.official import official_origin
from degas.data.origin import Origin
from degas.errors import UserError, nearest
from degas.runtime.paths import expanded
from degas.settings.sections import DataSettings

__all__ = ["ImageSet", "find_origin", "fixed_subset", "load_images", "register_source"]

_EMBEDDED = {"digits": embedded.digits, "photos": embedded.photos}
_READERS = {".zip": folders.zip_origin, ".npz": arrays.npz_origin, ".parquet": hub.parquet_origin}


def load_images(source: str, settings: DataSettings, out: Path | None = None) -> ImageSet:
    """Every image of `source` (or `settings.max_images` of them) at one size, decoded once and cached.

    Rows keep the order of the source. Raises `UserError` for anything unreadable. Assumptions and omissions are warned
    about (one `Notice` each; also in `ImageSet.notes`). `out`, the caller's output folder, is never read.
    """
    origin = find_origin(source, settings, out)
    source = source.rstrip("/") or source  # photos/ and photos are the same folder; resuming accepts either
    return _loaded(source, origin, settings)


def images_from(data: Any, settings: DataSettings, out: Path | None = None) -> ImageSet:
    """`load_images` for Python callers: takes a name or path, an `ImageSet`, or images in memory."""
    if isinstance(data, ImageSet):
        return with_present_classes(checked(data))
    if isinstance(data, str | os.PathLike):
        return load_images(os.fspath(data), settings, out)
    return _loaded(*python_origin(data, settings), settings)


def _loaded(source: str, origin: Origin, settings: DataSettings) -> ImageSet:
    try:
        images = (load_cached if origin.cached else decode_in_memory)(source, origin, settings)
    except MemoryError as error:
        raise UserError(f"{source}: not enough memory; set --data.max-images or a smaller --data.image-size") from error
    images = replace(images, notes=(*origin.notes(), *images.notes))
    tell(source, images.notes)
    return images


def register_source(name: str, function: Callable[[], Any]) -> None:
    """Register `name` as a SRC: `function()` returns images, (images, labels), or (images, labels, class_names).

    Images are of any kind that `degas.search` takes in memory, such as uint8 (N, H, W), (N, H, W, C) or (N, C, H, W),
    C = 1, 3 or 4; labels are integers (N,) from 0. The function is called each time the source is read. Raises
    `UserError` if the name is taken or could be a path.
    """
    if name in (*_EMBEDDED, *fetch.ARCHIVES, *registered.SOURCES):
        raise UserError(f"data source {name!r} is already registered; choose another name")
    if not name.replace("-", "").replace("_", "").isalnum():
        raise UserError(f"data source {name!r}: use letters, digits, - and _, so that it cannot be taken for a path")
    registered.SOURCES[name] = function


def find_origin(source: str, settings: DataSettings, out: Path | None = None) -> Origin:
    """Find the kind of `source` from names and first members, without decoding."""
    if source in _EMBEDDED:
        return _EMBEDDED[source](settings)
    if source in registered.SOURCES:
        return registered.registered_origin(source, settings)
    if source.startswith("hub:"):
        return hub.hub_origin(source.removeprefix("hub:"), settings)
    path = expanded(source)
    if source in fetch.ARCHIVES and not path.exists():
        path = fetch.archive_path(source)
        if not path.is_file():
            raise UserError(f"{source}: not fetched yet; run `degas data fetch {source}`, or name the archive's path")
    if not path.exists():
        raise UserError(f"{source}: no such file or folder{_hint(source)}")
    return official_origin(path, settings) or _by_suffix(path, settings, out)


def _by_suffix(path: Path, settings: DataSettings, out: Path | None) -> Origin:
    if path.is_dir():
        return folders.folder_origin(path, settings, out)
    if path.suffix.lower() in _READERS:
        return _READERS[path.suffix.lower()](path, settings)
    if path.name.lower().endswith(TAR_SUFFIXES):
        raise UserError(f"{path}: neither CIFAR-10 nor STL-10; unpack it and name the folder")
    raise UserError(f"{path}: not a data source; expected a folder, .zip, .npz, .parquet or an official archive")


def _hint(source: str) -> str:
    """Return a hint for a bare word, which may be a misspelt source."""
    return "" if "/" in source or "." in source else nearest(source, [*_EMBEDDED, *fetch.ARCHIVES, *registered.SOURCES])

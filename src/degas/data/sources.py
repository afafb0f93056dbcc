"""SRC → `ImageSet`: recognises what the user named and hands it to its reader.

SRC is `digits`, `photos`, a folder or zip file of images, an `.npz`, an official archive of CIFAR-10, STL-10 or CelebA
or its unpacked folder, a `.parquet`, `hub:ID`, or `cifar10` / `stl10` after `degas data fetch`.
"""

from __future__ import annotations

from pathlib import Path

from degas.config import DataSettings
from degas.data import embedded, folders
from degas.data.cache import decode_in_memory, load_cached
from degas.data.image_set import ImageSet, fixed_subset
from degas.data.records import Origin
from degas.errors import UserError, nearest

__all__ = ["ImageSet", "find_origin", "fixed_subset", "load_images"]

_EMBEDDED = {"digits": embedded.digits, "photos": embedded.photos}


def load_images(source: str, settings: DataSettings) -> ImageSet:
    """Every image of `source` (or `settings.max_images` of them) at one size, decoded once and cached.

    Rows stand in the order of the source. Raises `UserError` for anything that cannot be read: nothing is skipped.
    """
    origin = find_origin(source, settings)
    try:
        return (load_cached if origin.cached else decode_in_memory)(source, origin, settings)
    except MemoryError as error:
        raise UserError(f"{source}: not enough memory; set --data.max-images or a smaller --data.image-size") from error


def find_origin(source: str, settings: DataSettings) -> Origin:
    """What `source` is. Looks at names and a few first bytes; decodes nothing."""
    if source in _EMBEDDED:
        return _EMBEDDED[source](settings)
    path = Path(source).expanduser()
    if path.is_dir():
        return folders.folder_origin(path, settings)
    if path.is_file():
        return _file_origin(path, settings)
    raise UserError(f"{source}: no such file or folder{_hint(source)}")


def _file_origin(path: Path, settings: DataSettings) -> Origin:
    if path.suffix.lower() == ".zip":
        return folders.zip_origin(path, settings)
    raise UserError(f"{path}: not a data source; expected a folder, .zip, .npz, .parquet or an official archive")


def _hint(source: str) -> str:
    if "/" in source or "." in source:
        return ""
    return nearest(source, _EMBEDDED)

"""Folders and zip files of images: class folders give labels, in sorted order.

Rules (our choice). Hidden files and folders are ignored, and so are files whose suffix is no image's. Folders inside
a class folder belong to the class. Loose images only: no labels. One single folder of images: the same as loose
images, for one class says nothing. Both loose images and folders of images: refused. A folder whose folders are called
train, test, val, … is taken as parts of a data set, of which `split` picks one (default: train). CelebA
(`img_align_celeba`) is such a folder or zip with a centre crop of 108 px.
"""

from __future__ import annotations

import hashlib
import os
from collections.abc import Callable, Iterable, Iterator, Sequence
from pathlib import Path
from typing import Any

import numpy as np

from degas.data.archives import first_name, open_zip, read_member
from degas.data.origin import Origin, Picture, Records, content_digest, origin_of_file
from degas.errors import UserError, nearest
from degas.settings.sections import DataSettings

SUFFIXES = (".jpg", ".jpeg", ".png", ".bmp", ".gif", ".tif", ".tiff", ".webp", ".ppm", ".pgm", ".pbm", ".pnm", ".jp2")
PARTS = ("train", "training", "test", "testing", "val", "valid", "validation", "unlabeled")
CELEBA = "img_align_celeba"
CELEBA_CROP = 108  # DCGAN's crop of the aligned 178×218 pictures, which GAN papers on CelebA follow


def folder_origin(path: Path, settings: DataSettings) -> Origin:
    """A folder of images (module docstring)."""
    if (path / CELEBA).is_dir():
        path = path / CELEBA
    celeba = path.name == CELEBA
    walk = _Walk(path)

    def chosen(walk: _Walk = walk) -> list[str]:
        return _choose_part(str(path), walk.names(), settings.split)

    def listing() -> list[Any]:
        fresh = _Walk(path)  # each time, so that a change in the meantime shows
        return [str(path.resolve()), _digest_of(fresh.stamps(chosen(fresh)))]

    def read(names: Sequence[str], rows: np.ndarray) -> Iterator[Picture]:
        return ((str(path / names[i]), path / names[i]) for i in rows)

    return Origin(
        "CelebA, aligned (folder)" if celeba else "folder of images",
        records=lambda: _records(str(path), chosen(), read),
        listing=listing,
        content=lambda: content_digest([(name, path / name) for name in chosen()]),
        default_crop=CELEBA_CROP if celeba else None,
    )


def zip_origin(path: Path, settings: DataSettings) -> Origin:
    """A zip file of images (module docstring); nothing is unpacked to disk."""
    celeba = path.stem == CELEBA or first_name(path).split("/")[0] == CELEBA

    def records() -> Records:
        with open_zip(path) as archive:
            names = _in_order({info.filename for info in archive.infolist() if _is_image(info.filename)})
        return _records(str(path), _choose_part(str(path), names, settings.split), read)

    def read(names: Sequence[str], rows: np.ndarray) -> Iterator[Picture]:
        with open_zip(path) as archive:
            for i in rows:
                yield f"{path}: {names[i]}", read_member(archive, names[i], path)

    kind = "CelebA, aligned (zip)" if celeba else "zip file of images"
    return origin_of_file(kind, path, records, default_crop=CELEBA_CROP if celeba else None)


class _Walk:
    """One pass over a folder: relative names of its images, sorted, with their sizes and times."""

    def __init__(self, root: Path) -> None:
        self._root = root
        self._found: dict[str, list[Any]] | None = None

    def names(self) -> list[str]:
        return list(self._files())

    def stamps(self, names: Sequence[str]) -> list[list[Any]]:
        return [self._files()[name] for name in names]

    def _files(self) -> dict[str, list[Any]]:
        if self._found is None:
            found: dict[str, list[Any]] = {}
            try:
                _scan(str(self._root), "", set(), found)
            except OSError as error:
                raise UserError(f"{error.filename}: cannot be read ({error.strerror})") from error
            self._found = {name: found[name] for name in _in_order(found)}
        return self._found


def _scan(folder: str, prefix: str, seen: set[tuple[int, int]], found: dict[str, list[Any]]) -> None:
    """Add `folder`'s images to `found`. Links are followed, yet no folder is entered twice, so that loops end."""
    here = os.stat(folder)
    if (here.st_dev, here.st_ino) in seen:
        return
    seen.add((here.st_dev, here.st_ino))
    with os.scandir(folder) as entries:
        for entry in entries:
            if entry.name.startswith("."):
                continue
            if entry.is_dir():
                _scan(entry.path, f"{prefix}{entry.name}/", seen, found)
            elif entry.name.lower().endswith(SUFFIXES):
                if not entry.is_file():
                    raise UserError(f"{entry.path}: is no file but a broken link, a pipe or a device; remove it")
                status = entry.stat()
                found[prefix + entry.name] = [
                    prefix + entry.name, status.st_size, status.st_mtime_ns, status.st_ctime_ns
                ]  # fmt: skip


def _in_order(names: Iterable[str]) -> list[str]:
    """Folder by folder: a plain sort would put a-b/ before a/."""
    return sorted(names, key=lambda name: name.split("/"))


def _is_image(name: str) -> bool:
    hidden = any(part.startswith(".") or part == "__MACOSX" for part in name.split("/"))
    return not hidden and name.lower().endswith(SUFFIXES)


def _choose_part(where: str, names: list[str], split: str | None) -> list[str]:
    """The images of part `split` where the folder has parts; all of them where it has none."""
    if not names:
        raise UserError(f"{where}: no images in it; expected files ending in {', '.join(SUFFIXES[:4])}, …")
    below = _common_folder(names)
    tops = {name[len(below) :].split("/")[0] for name in names if "/" in name[len(below) :]}
    loose = any("/" not in name[len(below) :] for name in names)
    if loose or not tops or not all(top.lower() in PARTS for top in tops):
        if split is not None:
            raise UserError(f"--data.split: {where} has no parts such as train and test; leave it out")
        return names
    wanted = split or next((top for top in sorted(tops) if top.lower() in ("train", "training")), None)
    if len(tops) == 1:
        wanted = wanted or next(iter(tops))
    if wanted is None:
        raise UserError(f"{where}: choose a part with --data.split: {', '.join(sorted(tops))}")
    if wanted not in tops:
        raise UserError(f"--data.split: {where} has no part '{wanted}'{nearest(wanted, tops)}")
    return [name for name in names if name.startswith(f"{below}{wanted}/")]


def _common_folder(names: Sequence[str]) -> str:
    """The folders, as "a/b/", that all names lie in, but never one that is a part of a data set."""
    common = _shared_folders(names)
    for depth, folder in enumerate(common):
        if folder.lower() in PARTS:
            return "".join(f"{part}/" for part in common[:depth])
    return "".join(f"{part}/" for part in common)


def _shared_folders(names: Sequence[str]) -> list[str]:
    folders = [name.split("/")[:-1] for name in names]
    low, high = min(folders), max(folders)  # what these two share, all share
    return low[: next((k for k, (a, b) in enumerate(zip(low, high, strict=False)) if a != b), min(len(low), len(high)))]


def _records(where: str, names: list[str], read: Callable[[Sequence[str], np.ndarray], Iterator[Picture]]) -> Records:
    """Labels from the first folder below what all names share."""
    prefix = _shared_folders(names)
    below = [name.split("/")[len(prefix) :] for name in names]
    loose = [name for name, parts in zip(names, below, strict=True) if len(parts) == 1]
    if len(loose) == len(names):
        return Records(len(names), lambda rows: read(names, rows))
    if loose:
        raise UserError(
            f"{where}: holds both loose images ({loose[0]}, …) and folders of images; keep one kind of the two"
        )
    classes = sorted({parts[0] for parts in below})
    for name in classes:
        if not _is_utf8(name):
            raise UserError(f"{where}: the class folder {name!a} has a name that is not valid UTF-8; rename it")
    number = {name: k for k, name in enumerate(classes)}
    labels = np.array([number[parts[0]] for parts in below], np.int64)
    return Records(len(names), lambda rows: read(names, rows), labels, tuple(classes))


def _is_utf8(name: str) -> bool:
    """Whether a configuration or a report can hold it; a name in another encoding reads as surrogates."""
    try:
        name.encode()
    except UnicodeEncodeError:
        return False
    return True


def _digest_of(stamps: list[list[Any]]) -> str:
    return hashlib.sha256(repr(stamps).encode("utf-8", "surrogatepass")).hexdigest()

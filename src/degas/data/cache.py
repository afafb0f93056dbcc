"""Images decoded once into a memory-mapped cache, or directly into memory if that costs nothing.

An entry is a folder `CACHE/images/KEY` with images.npy, labels.npy and about.json. KEY hashes the settings, the
listing of the source (names, sizes, times; contents with `verify`) and the decoder's version. An entry is built in a
temporary folder under a lock, and renamed when complete: a killed process leaves no incomplete entry, and two processes
do not decode the same images.
"""

from __future__ import annotations

import errno
import fcntl
import hashlib
import json
import os
import shutil
import warnings
from collections.abc import Callable, Iterator
from contextlib import contextmanager, nullcontext, suppress
from pathlib import Path
from typing import Any

import numpy as np
import PIL

from degas.data.decode import FitRule, decode_all, to_grey
from degas.data.decoded_notes import DecodedNotes
from degas.data.image_set import ImageSet, content_fingerprint, fixed_subset, present_classes
from degas.data.notes import Note
from degas.data.origin import Origin, Records
from degas.errors import UserError, unreadable
from degas.runtime.names import composed
from degas.runtime.paths import cache_home
from degas.settings.sections import DataSettings

_FORMAT = 2  # raise it whenever decoding or the layout changes, so that older entries are never found
_PROGRESS_FROM = 5000  # images; fewer are decoded too quickly for a display


def cache_folder(settings: DataSettings) -> Path:
    """`settings.cache`, or degas' folder under the user's caches (`paths.cache_home`)."""
    return settings.cache or cache_home() / "degas"


def fit_rule(origin: Origin, settings: DataSettings) -> FitRule:
    """Return the settings with the source's own defaults filled in."""
    if settings.fit == "stretch" and settings.crop_pixels is not None:
        raise UserError("--data.crop-pixels: fit = stretch crops nothing; drop one of the two")
    size, crop = settings.image_size or origin.default_size, settings.crop_pixels or origin.default_crop
    channels = settings.channels or origin.channels
    return FitRule(size, settings.fit, crop, settings.max_megapixels, settings.bits, channels)


def decode_in_memory(source: str, origin: Origin, settings: DataSettings) -> ImageSet:
    """The image set of `origin`, without a cache file."""
    records, rows = _chosen(source, origin, settings)
    told = DecodedNotes(fit_rule(origin, settings))
    images = _decode_rows(records, rows, told, np.empty)
    labels, names, notes = _present(records, rows)
    fingerprint = content_fingerprint(images, labels, names)
    return ImageSet(images, labels, names, source, fingerprint, (*notes, *told.notes()))


def load_cached(source: str, origin: Origin, settings: DataSettings) -> ImageSet:
    """The image set of `origin` from its cache entry, built now if there is none (or a damaged one)."""
    root = cache_folder(settings) / "images"
    entry = root / _key(origin, settings)
    found = _open_entry(entry, source, settings.verify)
    if found is not None:
        return found
    with _writing_to(root), _lock(root / f"{entry.name}.lock") as locked:
        found = _open_entry(entry, source, settings.verify)  # another process may have built it by now
        if found is None:
            if locked:
                _sweep(root, entry.name)
            _build_entry(entry, source, origin, settings)
            found = _open_entry(entry, source, check_pixels=False)
    if found is None:
        raise UserError(f"--data.cache: {entry} disappeared while it was written; run again")
    return found


def _key(origin: Origin, settings: DataSettings) -> str:
    rule = fit_rule(origin, settings)
    about = {
        "format": [_FORMAT, PIL.__version__],
        "kind": origin.kind,
        "rule": [rule.image_size, rule.fit, rule.crop_pixels],
        "settings": settings.model_dump(mode="json", exclude={"cache", "verify", "image_size", "fit", "crop_pixels"}),
        "contents": origin.content() if settings.verify else origin.listing(),
    }
    return hashlib.sha256(json.dumps(about, sort_keys=True).encode("utf-8", "surrogatepass")).hexdigest()[:32]


def _chosen(source: str, origin: Origin, settings: DataSettings) -> tuple[Records, np.ndarray]:
    records = origin.records()
    if records.num_images == 0:
        raise UserError(f"{source}: no images in it")
    return records, fixed_subset(records.num_images, settings.max_images)


def _present(records: Records, rows: np.ndarray) -> tuple[np.ndarray | None, tuple[str, ...], tuple[Note, ...]]:
    """Return labels (len(rows),) and names of the classes in `rows`, and all notes."""
    labels = None if records.labels is None else records.labels[rows].astype(np.int64)
    labels, names, notes = present_classes(labels, tuple(map(composed, records.class_names)))
    return labels, names, (*records.notes, *notes)


def _build_entry(entry: Path, source: str, origin: Origin, settings: DataSettings) -> None:
    records, rows = _chosen(source, origin, settings)
    rule = fit_rule(origin, settings)
    working = entry.with_name(f".{entry.name}.{os.getpid()}.building")
    working.mkdir()
    try:
        _require_space(working, len(rows) * 3 * rule.image_size**2)
        told = DecodedNotes(rule)
        images = _decode_rows(records, rows, told, _allocator(working))
        labels, names, notes = _present(records, rows)
        about = {
            "fingerprint": content_fingerprint(images, labels, names),
            "source": source,
            "class_names": list(names),
            "shape": list(images.shape),
            "labelled": labels is not None,
            "notes": [note.facts() for note in (*notes, *told.notes())],
        }
        images.flush()
        if labels is not None:
            np.save(working / "labels.npy", labels)
        (working / "about.json").write_text(json.dumps(about), encoding="utf-8")
        if _key(origin, settings) != entry.name:
            raise UserError(f"{source}: changed while it was read; run again when it is complete")
        _publish(working, entry)
    finally:
        shutil.rmtree(working, ignore_errors=True)


def _decode_rows(records: Records, rows: np.ndarray, told: DecodedNotes, allocate: Callable[..., Any]) -> Any:
    """Pictures `rows` → uint8 (len(rows), C, S, S) by the rule of `told`."""
    size, channels = told.rule.image_size, told.rule.channels
    images = allocate((len(rows), channels or 3, size, size), np.uint8)
    all_grey = True
    with progress_of("decode images", len(rows)) as progress:
        for i, picture in enumerate(decode_all(records.read(rows), told.rule)):
            told.add(picture)
            all_grey = all_grey and picture.grey
            images[i] = picture.pixels if images.shape[1] == 3 else to_grey(picture.pixels)
            if progress is not None:
                progress.update(i + 1)
    if channels is None and all_grey:
        narrow = allocate((len(rows), 1, size, size), np.uint8)
        narrow[:] = images[:, :1]
        return narrow
    return images


def _allocator(folder: Path) -> Callable[..., Any]:
    """Return a function that maps `folder`/images.npy; a second map replaces the file, the first stays readable."""

    def allocate(shape: tuple[int, ...], dtype: Any) -> Any:
        (folder / "images.npy").unlink(missing_ok=True)
        images = np.lib.format.open_memmap(folder / "images.npy", mode="w+", dtype=dtype, shape=shape)
        _reserve(folder / "images.npy")
        return images

    return allocate


def _reserve(path: Path) -> None:
    """Reserve the disk space of a sparse file: a full disk is an error here, but a crash once the file is mapped."""
    if not hasattr(os, "posix_fallocate"):
        return
    with path.open("r+b") as stream:
        try:
            os.posix_fallocate(stream.fileno(), 0, os.fstat(stream.fileno()).st_size)
        except OSError as error:
            if error.errno in (errno.ENOSPC, errno.EDQUOT):
                raise  # other errors mean that this file system cannot reserve


def _publish(working: Path, entry: Path) -> None:
    """Make everything durable, then rename: this order survives a power cut as well as a kill."""
    for path in [*working.iterdir(), working]:
        _fsync(path)
    if entry.exists():  # a damaged entry, or, on a file system without locks, one that another process has just built
        shutil.rmtree(entry, ignore_errors=True)
    try:
        os.rename(working, entry)
    except OSError as error:
        if error.errno not in (errno.ENOTEMPTY, errno.EEXIST):
            raise
    _fsync(entry.parent)


def _fsync(path: Path) -> None:
    descriptor = os.open(path, os.O_RDONLY)
    try:
        os.fsync(descriptor)
    finally:
        os.close(descriptor)


def _open_entry(entry: Path, source: str, check_pixels: bool) -> ImageSet | None:
    """The entry, or None if there is none or it is damaged (with a warning)."""
    if not entry.is_dir():
        return None
    try:
        about = json.loads((entry / "about.json").read_text(encoding="utf-8"))
        images = np.load(entry / "images.npy", mmap_mode="r", allow_pickle=False)
        labels = np.load(entry / "labels.npy", allow_pickle=False) if about["labelled"] else None
        names = tuple(about["class_names"])
        if list(images.shape) != about["shape"] or (labels is not None and len(labels) != len(images)):
            raise ValueError("shapes disagree")
        if check_pixels and content_fingerprint(images, labels, names) != about["fingerprint"]:
            raise ValueError("pixels differ from their checksum")
        notes = tuple(map(Note.from_facts, about["notes"]))
        with suppress(OSError):  # another user's entry: only uses by its owner count
            os.utime(entry / "about.json")  # the time of the last use, for `degas data cache`
        return ImageSet(images, labels, names, source, about["fingerprint"], notes)
    except (OSError, EOFError, ValueError, KeyError, TypeError) as error:
        if isinstance(error, OSError) and error.errno not in (None, errno.ENOENT, errno.ENOTDIR):
            raise unreadable(f"--data.cache: {error.filename or entry}", error) from error
        warnings.warn(f"{entry}: damaged cache ({error}); decoding again", stacklevel=2)
        return None


@contextmanager
def _writing_to(root: Path) -> Iterator[None]:
    try:
        root.mkdir(parents=True, exist_ok=True)
        yield
    except OSError as error:
        if error.errno not in (errno.EACCES, errno.EPERM, errno.EROFS, errno.ENOSPC, errno.EDQUOT, errno.ENOTDIR):
            raise
        raise UserError(f"--data.cache: cannot write {root} ({error.strerror}); name another folder") from error


@contextmanager
def _lock(path: Path) -> Iterator[bool]:
    """Holds a lock that excludes other processes and ends with its process; yields False if locks do not exist."""
    with path.open("a") as stream:
        yield try_lock(stream, fcntl.LOCK_EX)


def try_lock(stream: Any, kind: int) -> bool:
    """Return whether the lock is held; False if another process has it, or the file system has no locks."""
    try:
        fcntl.flock(stream, kind)
    except OSError as error:
        if error.errno not in (errno.EWOULDBLOCK, errno.ENOLCK, errno.ENOTSUP, errno.EINVAL):
            raise
        return False
    return True


def _sweep(root: Path, own_key: str) -> None:
    """Remove incomplete entries of killed processes: those whose lock is free. This process holds that of `own_key`."""
    for leftover in root.glob(".*.building"):
        key = leftover.name.split(".")[1]
        with (root / f"{key}.lock").open("a") as stream:
            if key == own_key or try_lock(stream, fcntl.LOCK_EX | fcntl.LOCK_NB):
                shutil.rmtree(leftover, ignore_errors=True)


def _require_space(folder: Path, num_bytes: int) -> None:
    free = shutil.disk_usage(folder).free
    if free < num_bytes:
        raise UserError(
            f"--data.cache: {folder.parent} has {free >> 20} MiB free but needs {num_bytes >> 20}; name another folder"
        )


def progress_of(title: str, num_images: int) -> Any:
    """Return a context manager that gives a `Progress`, or None if there are too few images for one."""
    if num_images < _PROGRESS_FROM:
        return nullcontext()
    from degas.runtime.progress import Progress

    return Progress(title, num_images, unit="images")

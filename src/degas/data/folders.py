"""Folders and zip files of images: class folders give labels, in sorted order.

Rules (our choice). Hidden files and folders are ignored. A file is a picture by its suffix, or else by its first bytes;
other files are left out with a note, and so are folders with a run. Folders inside a class folder belong to the class.
Loose images only: no labels. A single folder of images: no labels either, since one class tells nothing. Both loose
images and folders of images: rejected. Labels in a file next to the pictures (`tables.py`) take precedence over
folders. Folders called train, test, val, … are parts of a data set (`parts.py`); `split` selects one (default: train).
CelebA (`img_align_celeba`) is a folder or zip of images with a centre crop of 108 px.
"""

from __future__ import annotations

import hashlib
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np

from degas.data.archives import open_zip, read_member
from degas.data.notes import Note, counted
from degas.data.origin import Origin, Picture, Records, content_digest, stamp
from degas.data.parts import choose_part, shared_folders
from degas.data.tables import Labelled, number_values, table_labels, unread_metadata
from degas.data.tree import File, Tree, folder_tree, left_out, zip_tree
from degas.errors import UserError
from degas.settings.sections import DataSettings

CELEBA = "img_align_celeba"
CELEBA_CROP = 108  # DCGAN's crop of the aligned 178×218 pictures, used in GAN papers on CelebA


@dataclass(frozen=True)
class ChosenPictures:
    """The selected pictures, their classes, the files with labels, and notes."""

    pictures: list[File]
    labels: np.ndarray | None
    class_names: tuple[str, ...]
    tables: list[File]
    celeba: bool
    notes: tuple[Note, ...]


def folder_origin(path: Path, settings: DataSettings, out: Path | None = None) -> Origin:
    """A folder of images (module docstring); `out`, the caller's output folder, is not read."""
    first: list[ChosenPictures] = [understand(folder_tree(path, out), path.name, settings)]
    layout = first[0]

    def listing() -> list[Any]:
        now = (
            first.pop() if first else understand(folder_tree(path, out), path.name, settings)
        )  # read again, to detect changes
        return [str(path.resolve()), _digest_of([*now.pictures, *now.tables])]

    def read(rows: np.ndarray) -> Iterator[Picture]:
        return ((str(path / layout.pictures[i].key), path / layout.pictures[i].key) for i in rows)

    return Origin(
        "CelebA, aligned (folder)" if layout.celeba else "folder of images",
        records=lambda: Records(len(layout.pictures), read, layout.labels, layout.class_names),
        listing=listing,
        content=lambda: content_digest([(file.name, path / file.key) for file in (*layout.pictures, *layout.tables)]),
        default_crop=CELEBA_CROP if layout.celeba else None,
        notes=lambda: layout.notes,
    )


def zip_origin(path: Path, settings: DataSettings) -> Origin:
    """A zip file of images (module docstring); nothing is unpacked to disk."""
    layout = understand(zip_tree(path), path.stem, settings)

    def read(rows: np.ndarray) -> Iterator[Picture]:
        with open_zip(path) as archive:
            for i in rows:
                file = layout.pictures[i]
                yield f"{path}: {file.name}", read_member(archive, file.key, path)

    return Origin(
        "CelebA, aligned (zip)" if layout.celeba else "zip file of images",
        records=lambda: Records(len(layout.pictures), read, layout.labels, layout.class_names),
        listing=lambda: [stamp(path)],
        content=lambda: content_digest([(path.name, path)]),
        default_crop=CELEBA_CROP if layout.celeba else None,
        notes=lambda: layout.notes,
    )


def understand(tree: Tree, name: str, settings: DataSettings) -> ChosenPictures:
    """The layout of a tree whose root is called `name`."""
    if not tree.pictures:
        found = "".join(f"; {note}" for note in (*tree.notes, *left_out(tree.others)))
        raise UserError(f"{tree.where}: no images in it; expected files ending in .jpg, .jpeg, .png, .bmp, …{found}")
    pictures, notes = _celeba_alone(tree.pictures)
    chosen = choose_part(tree.where, pictures, settings.split)
    celeba = CELEBA in (name, *shared_folders(chosen.files))
    if celeba and settings.crop_pixels is None and settings.fit == "crop":
        notes += (Note("crop", f"CelebA's middle {CELEBA_CROP} px are used; --data.crop-pixels sets another size"),)
    labelled = table_labels(tree, chosen.files, settings.label_column)
    if labelled is None:
        labelled = _classes(tree.where, chosen.files, chosen.domains)
        labelled = _with_notes(labelled, unread_metadata(tree, chosen.files))
    tables = set(labelled.tables)
    others = left_out(file for file in tree.others if file not in tables)
    notes = (*tree.notes, *notes, *chosen.notes, *labelled.notes, *others)
    return ChosenPictures(chosen.files, labelled.labels, labelled.class_names, labelled.tables, celeba, notes)


def _celeba_alone(pictures: list[File]) -> tuple[list[File], tuple[Note, ...]]:
    """Keep only the aligned pictures of a folder with CelebA."""
    inside = [file for file in pictures if CELEBA in file.folders]
    outside = [file.name for file in pictures if CELEBA not in file.folders] if inside else []
    notes = counted(
        "celeba",
        outside,
        f"picture next to {CELEBA} is left out",
        f"pictures next to {CELEBA} are left out",
    )
    return inside or pictures, notes


def _classes(where: str, pictures: list[File], domains: list[str] | None) -> Labelled:
    """Labels from the first folder level that differs between pictures, or from the `domains` of the parts."""
    if domains is not None:
        return Labelled(*number_values(domains), [], ())
    depth = len(shared_folders(pictures))
    loose = [file.name for file in pictures if len(file.parts) == depth + 1]
    if len(loose) == len(pictures):
        return Labelled(None, (), [], ())
    if loose:
        raise UserError(
            f"{where}: holds both loose images ({loose[0]}, …) and folders of images; keep one kind of the two"
        )
    values = [file.folders[depth] for file in pictures]
    classes = tuple(sorted(set(values)))
    for name in classes:
        if not _is_utf8(name):
            raise UserError(f"{where}: the class folder {name!a} has a name that is not valid UTF-8; rename it")
    number = {name: k for k, name in enumerate(classes)}
    return Labelled(np.array([number[value] for value in values], np.int64), classes, [], _shards(classes))


def _shards(names: Sequence[str]) -> tuple[Note, ...]:
    """A note on folders such as 00000 and 00001: they may be classes, or shards of a thousand pictures each."""
    if not all(name.isdecimal() and len(name) >= 3 for name in names):
        return ()
    return (Note("class", f"the numbered folders {names[0]} to {names[-1]} count as classes", len(names)),)


def _with_notes(labelled: Labelled, notes: tuple[Note, ...]) -> Labelled:
    return Labelled(labelled.labels, labelled.class_names, labelled.tables, (*labelled.notes, *notes))


def _is_utf8(name: str) -> bool:
    """Return whether the name is valid UTF-8, as configurations and reports need; other encodings give surrogates."""
    try:
        name.encode()
    except UnicodeEncodeError:
        return False
    return True


def _digest_of(files: Sequence[File]) -> str:
    stamps = [(file.key, file.stamp) for file in files]
    return hashlib.sha256(repr(stamps).encode("utf-8", "surrogatepass")).hexdigest()

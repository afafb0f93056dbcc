"""CIFAR-10 (binary and Python version) and STL-10 in their official formats, from the archive or the unpacked folder.

Described at https://www.cs.toronto.edu/~kriz/cifar.html and https://cs.stanford.edu/~acoates/stl10/.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import numpy as np

from degas.data.members import TAR_SUFFIXES, Members
from degas.data.notes import counted
from degas.data.origin import Origin, Picture, Records, content_digest, stamp
from degas.data.pickles import read_pickled_data
from degas.errors import UserError, nearest
from degas.settings.sections import DataSettings

CIFAR_CLASSES = ("airplane", "automobile", "bird", "cat", "deer", "dog", "frog", "horse", "ship", "truck")
STL_CLASSES = ("airplane", "bird", "car", "cat", "deer", "dog", "horse", "monkey", "ship", "truck")
STL_PAPER_IMAGES = 50_000  # of the 100,000 unlabeled: the paper's set (§4)
_BATCHES = tuple(f"data_batch_{k}" for k in range(1, 6))
_STL_PARTS = ("train", "test", "unlabeled")
_CIFAR_BYTES = 3 * 32 * 32
_STL_BYTES = 3 * 96 * 96
_FOLDERS = ("", "cifar-10-batches-bin", "cifar-10-batches-py", "stl10_binary")  # the folders in the archives


def official_origin(path: Path, settings: DataSettings) -> Origin | None:
    """The official data set in `path`, or None if there is none."""
    if path.is_file() and not path.name.lower().endswith(TAR_SUFFIXES):
        return None
    readers = _readers()
    places = [path] if path.is_file() else [path / folder for folder in _FOLDERS if (path / folder).is_dir()]
    found = [(members, name) for members in map(Members, places) if (name := members.first_of(readers))]
    if len(found) > 1:
        folders = ", ".join(str(members.path) for members, _ in found)
        raise UserError(f"{path}: holds several data sets; name one of {folders}")
    return readers[found[0][1]](found[0][0], settings) if found else None


def _readers() -> dict[str, Callable[[Members, DataSettings], Origin]]:
    """File name → the reader of the data set that it identifies."""
    binary = {f"{stem}.bin": _cifar_binary for stem in (*_BATCHES, "test_batch")}
    pickled = dict.fromkeys((*_BATCHES, "test_batch"), _cifar_python)
    return {**binary, **pickled, **{f"{part}_X.bin": _stl for part in _STL_PARTS}}


def _origin(kind: str, members: Members, files: list[str], records: Callable[[], Records], **rest: Any) -> Origin:
    path = members.path
    parts = [path] if path.is_file() else [path / name for name in files if (path / name).is_file()]
    return Origin(
        kind,
        records,
        listing=lambda: [stamp(part) for part in parts],
        content=lambda: content_digest([(part.name, part) for part in parts]),
        channels=3,
        **rest,
    )


def _part(settings: DataSettings, parts: tuple[str, ...], default: str) -> str:
    if settings.split is not None and settings.split not in parts:
        raise UserError(f"--data.split: no part '{settings.split}'{nearest(settings.split, parts)}")
    return settings.split or default


def _cifar_binary(members: Members, settings: DataSettings) -> Origin:
    """Records of 1 label byte and 3,072 pixel bytes: red, green, blue, each row by row."""
    part = _part(settings, ("train", "test"), "train")
    files = [f"{stem}.bin" for stem in _cifar_files(part)]

    def records() -> Records:
        _, contents = members.sizes_and_contents([*files, "batches.meta.txt"])
        names = contents.pop("batches.meta.txt", b"").decode("utf-8", "replace").split() or list(CIFAR_CLASSES)
        tables = [_cifar_table(members.where(name), contents[name]) for name in files if name in contents]
        pixels = [table[:, 1:] for table in tables]
        labels = [table[:, 0].astype(np.int64) for table in tables]
        return _cifar_records(members, files, list(contents), pixels, labels, names)

    return _origin("CIFAR-10, binary version", members, [*files, "batches.meta.txt"], records)


def _cifar_table(where: str, data: bytes) -> np.ndarray:
    if len(data) % (1 + _CIFAR_BYTES) or not data:
        raise UserError(f"{where}: {len(data)} bytes are not a whole number of 3,073-byte records; truncated?")
    return np.frombuffer(data, np.uint8).reshape(-1, 1 + _CIFAR_BYTES)


def _cifar_python(members: Members, settings: DataSettings) -> Origin:
    """One pickled dictionary per file: data, uint8 (n, 3072) in the layout of the binary version; labels, a list."""
    files = _cifar_files(_part(settings, ("train", "test"), "train"))

    def records() -> Records:
        _, contents = members.sizes_and_contents([*files, "batches.meta"])
        names = list(CIFAR_CLASSES)
        if meta := contents.pop("batches.meta", b""):
            where = members.where("batches.meta")
            named = _entry(where, read_pickled_data(meta, where), "label_names")
            names = [n.decode("latin-1") if isinstance(n, bytes) else str(n) for n in named]
        batches = [_pickled_batch(members.where(name), contents[name]) for name in files if name in contents]
        return _cifar_records(members, files, list(contents), [b[0] for b in batches], [b[1] for b in batches], names)

    return _origin("CIFAR-10, Python version", members, [*files, "batches.meta"], records)


def _pickled_batch(where: str, data: bytes) -> tuple[np.ndarray, np.ndarray]:
    batch = read_pickled_data(data, where)
    pixels, labels = _entry(where, batch, "data"), _entry(where, batch, "labels")
    numbers = isinstance(labels, list) and all(isinstance(label, int) and abs(label) < 2**31 for label in labels)
    bytes_ = isinstance(pixels, np.ndarray) and pixels.dtype == np.uint8
    if not numbers or not bytes_ or pixels.shape != (len(labels), _CIFAR_BYTES):
        raise UserError(f"{where}: data and labels are not uint8 (n, {_CIFAR_BYTES}) and n integers; download it again")
    return pixels, np.array(labels, np.int64)


def _entry(where: str, value: Any, key: str) -> Any:
    if not isinstance(value, dict) or key not in value:
        raise UserError(f"{where}: no entry '{key}' in it; is it CIFAR-10?")
    return value[key]


def _cifar_files(part: str) -> list[str]:
    return list(_BATCHES) if part == "train" else ["test_batch"]


def _cifar_records(
    members: Members,
    files: list[str],
    found: list[str],
    pixels: list[np.ndarray],
    labels: list[np.ndarray],
    names: list[str],
) -> Records:
    missing = [name for name in files if name not in found]
    if len(missing) == len(files):
        raise UserError(f"{members.where(files[0])}: missing")
    notes = counted(
        "incomplete",
        [members.where(name) for name in missing],
        "file is missing, so the set is incomplete",
        "files are missing, so the set is incomplete",
    )
    present = [name for name in files if name in found]
    for name, values in zip(present, labels, strict=True):
        _check_labels(members.where(name), values, 0, 9)
    table = np.concatenate(pixels).reshape(-1, 3, 32, 32)
    if len(names) != len(CIFAR_CLASSES):
        raise UserError(f"{members.path}: names {len(names)} classes, but CIFAR-10 has 10")

    def read(rows: np.ndarray) -> Iterator[Picture]:
        return ((f"{members.path}: image {i}", table[i].transpose(1, 2, 0)) for i in rows)

    return Records(len(table), read, np.concatenate(labels), tuple(names), notes)


def _check_labels(where: str, labels: np.ndarray, low: int, high: int) -> None:
    wrong = np.flatnonzero((labels < low) | (labels > high))
    if len(wrong):
        raise UserError(
            f"{where}: image {wrong[0]} has label {labels[wrong[0]]}, expected {low} to {high}; "
            "damaged, download it again"
        )


def _stl(members: Members, settings: DataSettings) -> Origin:
    """Images of 3·96·96 bytes: red, green, blue, each *column* by column; labels 1 to 10, one byte each."""
    part = _part(settings, _STL_PARTS, "unlabeled")
    images, answers = f"{part}_X.bin", f"{part}_y.bin"

    def records() -> Records:
        sizes, contents = members.sizes_and_contents([answers, "class_names.txt"])
        if images not in sizes:
            others = [p for p in _STL_PARTS if f"{p}_X.bin" in sizes]
            raise UserError(f"{members.where(images)}: missing; there is --data.split {' or '.join(others)}")
        num, rest = divmod(sizes[images], _STL_BYTES)
        if rest or not num:
            raise UserError(
                f"{members.where(images)}: {sizes[images]} bytes are not a whole number of images; truncated?"
            )
        labels = _stl_labels(members.where(answers), contents.get(answers), num) if part != "unlabeled" else None
        named = contents.get("class_names.txt", b"").decode("utf-8", "replace").split()
        names = tuple(named or STL_CLASSES) if labels is not None else ()
        num = min(num, STL_PAPER_IMAGES) if settings.split is None else num
        return Records(num, lambda rows: _stl_pictures(members, images, rows), labels, names)

    return _origin("STL-10", members, [images, answers, "class_names.txt"], records, default_size=48)


def _stl_labels(where: str, data: bytes | None, num_images: int) -> np.ndarray:
    if data is None:
        raise UserError(f"{where}: missing")
    if len(data) != num_images:
        raise UserError(f"{where}: {len(data)} labels for {num_images} images; damaged, download it again")
    labels = np.frombuffer(data, np.uint8).astype(np.int64)
    _check_labels(where, labels, 1, 10)
    return labels - 1


def _stl_pictures(members: Members, name: str, rows: np.ndarray) -> Iterator[Picture]:
    """Reads forward to each image in turn, so that the 2.8 GB are never all in memory."""
    with members.open(name) as stream:
        position = 0
        for row in rows:
            stream.seek(int(row - position) * _STL_BYTES, 1)
            data = stream.read(_STL_BYTES)
            position = row + 1
            if len(data) != _STL_BYTES:
                raise UserError(f"{members.where(name)}: ends within image {row}; truncated, download it again")
            pixels = np.frombuffer(data, np.uint8).reshape(3, 96, 96)  # (C, W, H): columns first
            yield f"{members.where(name)}, image {row}", pixels.transpose(2, 1, 0)

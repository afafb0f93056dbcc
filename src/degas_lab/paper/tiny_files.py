"""Tiny data sets in the official formats, for the scale `smoke`: a coloured disc on a coloured ground each.

CIFAR-10's binary version (records of a label and three planes, row by row), STL-10's binary files (planes column by
column) and CelebA's aligned pictures (JPEG, 178×218), each in the archive of its authors' name.
"""

from __future__ import annotations

import io
import tarfile
import zipfile
from pathlib import Path

import numpy as np
from PIL import Image

from degas.runtime.durable import replace_file

NUM_IMAGES = 24
CLASSES = ("airplane", "automobile", "bird", "cat", "deer", "dog", "frog", "horse", "ship", "truck")


def write_tiny(name: str, folder: Path) -> Path:
    """The archive of the data set `name` in `folder`, written unless it is there."""
    file, write = {
        "cifar10": ("cifar-10-binary.tar.gz", _cifar10),
        "stl10": ("stl10_binary.tar.gz", _stl10),
        "celeba": ("img_align_celeba.zip", _celeba),
    }[name]
    path = folder / file
    if not path.exists():
        folder.mkdir(parents=True, exist_ok=True)
        replace_file(path, write())
    return path


def discs(count: int, height: int, width: int) -> np.ndarray:
    """(count, 3, height, width) uint8."""
    rng = np.random.default_rng(0)
    y, x = np.indices((height, width)) / min(height, width)
    images = np.empty((count, 3, height, width), np.uint8)
    for k in range(count):
        centre, radius = rng.uniform(0.3, 0.7, 2), rng.uniform(0.15, 0.3)
        inside = (y - centre[0]) ** 2 + (x - centre[1]) ** 2 < radius**2
        front, back = rng.integers(0, 256, (2, 3, 1, 1))
        images[k] = np.where(inside, front, back)
    return images


def _cifar10() -> bytes:
    images = discs(NUM_IMAGES, 32, 32)
    records = [bytes([k % 10]) + image.tobytes() for k, image in enumerate(images)]
    batches = np.array_split(np.arange(NUM_IMAGES), 5)
    files = {f"data_batch_{k + 1}.bin": b"".join(records[i] for i in rows) for k, rows in enumerate(batches)}
    files["test_batch.bin"] = records[0]
    files["batches.meta.txt"] = ("\n".join(CLASSES) + "\n").encode()
    return _tar({f"cifar-10-batches-bin/{name}": data for name, data in files.items()})


def _stl10() -> bytes:
    planes = discs(NUM_IMAGES, 96, 96).transpose(0, 1, 3, 2)  # each plane column by column
    return _tar({"stl10_binary/unlabeled_X.bin": np.ascontiguousarray(planes).tobytes()})


def _celeba() -> bytes:
    stream = io.BytesIO()
    with zipfile.ZipFile(stream, "w") as archive:
        for k, image in enumerate(discs(NUM_IMAGES, 218, 178)):
            picture = io.BytesIO()
            Image.fromarray(image.transpose(1, 2, 0)).save(picture, "JPEG")
            archive.writestr(f"img_align_celeba/{k + 1:06d}.jpg", picture.getvalue())
    return stream.getvalue()


def _tar(files: dict[str, bytes]) -> bytes:
    stream = io.BytesIO()
    with tarfile.open(fileobj=stream, mode="w:gz") as archive:
        for name, data in files.items():
            member = tarfile.TarInfo(name)
            member.size = len(data)
            archive.addfile(member, io.BytesIO(data))
    return stream.getvalue()

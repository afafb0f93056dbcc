"""Tiny data sets in the three official formats of the paper's data, written from their published descriptions."""

from __future__ import annotations

import io
import zipfile
from pathlib import Path

import numpy as np
from official_files import cifar_record, stl_image, write_tar
from PIL import Image

NAMES = ("airplane", "automobile", "bird", "cat", "deer", "dog", "frog", "horse", "ship", "truck")


def pictures(count: int, height: int, width: int, seed: int = 0) -> np.ndarray:
    """(count, 3, height, width) uint8: a coloured disc on a coloured ground, both drawn for each picture."""
    rng = np.random.default_rng(seed)
    y, x = np.indices((height, width)) / min(height, width)
    images = np.empty((count, 3, height, width), np.uint8)
    for k in range(count):
        centre, radius = rng.uniform(0.3, 0.7, 2), rng.uniform(0.15, 0.3)
        inside = (y - centre[0]) ** 2 + (x - centre[1]) ** 2 < radius**2
        front, back = rng.integers(0, 256, (2, 3, 1, 1))
        images[k] = np.where(inside, front, back)
    return images


def cifar10(folder: Path, per_batch: int = 4) -> Path:
    """`cifar-10-binary.tar.gz`: five batches of `per_batch` images and a test batch; labels in turn."""
    images = pictures(6 * per_batch, 32, 32)
    files = {"cifar-10-batches-bin/batches.meta.txt": ("\n".join(NAMES) + "\n").encode()}
    for number, name in enumerate([*(f"data_batch_{k}" for k in range(1, 6)), "test_batch"]):
        part = range(number * per_batch, (number + 1) * per_batch)
        files[f"cifar-10-batches-bin/{name}.bin"] = b"".join(cifar_record(images[i], i % 10) for i in part)
    return write_tar(folder / "cifar-10-binary.tar.gz", files)


def stl10(folder: Path, count: int = 20) -> Path:
    """`stl10_binary.tar.gz` with `count` unlabeled images."""
    files = {"stl10_binary/unlabeled_X.bin": b"".join(map(stl_image, pictures(count, 96, 96)))}
    return write_tar(folder / "stl10_binary.tar.gz", files)


def celeba(folder: Path, count: int = 20) -> Path:
    """`img_align_celeba.zip`: JPEG pictures of 178×218 pixels."""
    path = folder / "img_align_celeba.zip"
    with zipfile.ZipFile(path, "w") as archive:
        for k, image in enumerate(pictures(count, 218, 178)):
            stream = io.BytesIO()
            Image.fromarray(image.transpose(1, 2, 0)).save(stream, "JPEG")
            archive.writestr(f"img_align_celeba/{k + 1:06d}.jpg", stream.getvalue())
    return path

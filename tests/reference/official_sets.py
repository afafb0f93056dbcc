"""Tiny data sets in the three official formats of the paper's data, written from their published descriptions."""

from __future__ import annotations

import io
import zipfile
from pathlib import Path

from official_files import cifar_record, stl_image, write_tar
from PIL import Image

from degas_lab.paper.tiny_files import discs

NAMES = ("airplane", "automobile", "bird", "cat", "deer", "dog", "frog", "horse", "ship", "truck")


def cifar10(folder: Path, per_batch: int = 4) -> Path:
    """`cifar-10-binary.tar.gz`: five batches of `per_batch` images and a test batch; labels in turn."""
    images = discs(6 * per_batch, 32, 32)
    files = {"cifar-10-batches-bin/batches.meta.txt": ("\n".join(NAMES) + "\n").encode()}
    for number, name in enumerate([*(f"data_batch_{k}" for k in range(1, 6)), "test_batch"]):
        part = range(number * per_batch, (number + 1) * per_batch)
        files[f"cifar-10-batches-bin/{name}.bin"] = b"".join(cifar_record(images[i], i % 10) for i in part)
    return write_tar(folder / "cifar-10-binary.tar.gz", files)


def stl10(folder: Path, count: int = 20) -> Path:
    """`stl10_binary.tar.gz` with `count` unlabeled images."""
    files = {"stl10_binary/unlabeled_X.bin": b"".join(map(stl_image, discs(count, 96, 96)))}
    return write_tar(folder / "stl10_binary.tar.gz", files)


def celeba(folder: Path, count: int = 20) -> Path:
    """`img_align_celeba.zip`: JPEG pictures of 178×218 pixels."""
    path = folder / "img_align_celeba.zip"
    with zipfile.ZipFile(path, "w") as archive:
        for k, image in enumerate(discs(count, 218, 178)):
            stream = io.BytesIO()
            Image.fromarray(image.transpose(1, 2, 0)).save(stream, "JPEG")
            archive.writestr(f"img_align_celeba/{k + 1:06d}.jpg", stream.getvalue())
    return path

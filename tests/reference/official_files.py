"""Writes CIFAR-10 and STL-10 files byte by byte from their published descriptions: slow, plain, no code of ours.

CIFAR-10 binary: a record is <1 label><1024 red><1024 green><1024 blue>, each plane row by row.
CIFAR-10 Python: what Python 2's cPickle wrote at protocol 2: a dictionary of strings.
STL-10 binary: an image is 96² red, green, blue values, each plane column by column; labels are 1 to 10.
"""

from __future__ import annotations

import io
import struct
import tarfile
from pathlib import Path

import numpy as np


def cifar_record(image: np.ndarray, label: int) -> bytes:
    """`image` (3, 32, 32) uint8."""
    out = bytearray([label])
    for plane in range(3):
        for row in range(32):
            for column in range(32):
                out.append(int(image[plane, row, column]))
    return bytes(out)


def stl_image(image: np.ndarray) -> bytes:
    """`image` (3, 96, 96) uint8."""
    out = bytearray()
    for plane in range(3):
        for column in range(96):
            for row in range(96):
                out.append(int(image[plane, row, column]))
    return bytes(out)


def short_string(text: str) -> bytes:
    return b"U" + bytes([len(text)]) + text.encode("latin-1")


def python2_batch(images: np.ndarray, labels: list[int]) -> bytes:
    """The bytes of `data_batch_1` of cifar-10-batches-py, for `images` (n, 3, 32, 32) uint8."""
    n = len(images)
    raw = images.reshape(n, 3072).tobytes()
    numbers = b"".join(b"K" + bytes([label]) for label in labels)
    dtype = b"cnumpy\ndtype\nq\nU\x02u1K\x00K\x01\x87Rq\x0b(K\x03U\x01|NNNJ\xff\xff\xff\xffJ\xff\xff\xff\xffK\x00tb"
    array = (
        b"cnumpy.core.multiarray\n_reconstruct\nq\x07cnumpy\nndarray\nq\x08K\x00\x85U\x01b\x87Rq\x09("
        + b"K\x01"
        + b"M" + struct.pack("<H", n) + b"M" + struct.pack("<H", 3072) + b"\x86"
        + dtype + b"\x89" + b"T" + struct.pack("<i", len(raw)) + raw + b"tb"
    )  # fmt: skip
    names = b"".join(short_string(f"picture_{k}.png") for k in range(n))
    return (
        b"\x80\x02}q\x01("
        + short_string("batch_label") + b"q\x02" + short_string("training batch 1 of 5") + b"q\x03"
        + short_string("labels") + b"q\x04]q\x05(" + numbers + b"e"
        + short_string("data") + b"q\x06" + array
        + short_string("filenames") + b"q\x0c]q\x0d(" + names + b"e"
        + b"u."
    )  # fmt: skip


def python2_meta(names: list[str]) -> bytes:
    listed = b"".join(short_string(name) for name in names)
    return b"\x80\x02}q\x01(" + short_string("label_names") + b"q\x02]q\x03(" + listed + b"eu."


def write_tar(path: Path, files: dict[str, bytes], mode: str = "w:gz") -> Path:
    """A tar archive of `files`, in the order given."""
    with tarfile.open(path, mode) as archive:
        for name, data in files.items():
            member = tarfile.TarInfo(name)
            member.size = len(data)
            archive.addfile(member, io.BytesIO(data))
    return path


def write_folder(path: Path, files: dict[str, bytes]) -> Path:
    for name, data in files.items():
        (path / name).parent.mkdir(parents=True, exist_ok=True)
        (path / name).write_bytes(data)
    return path

"""`.npz` files: images, and labels if there are any."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np

from degas.data.archives import DAMAGE, open_zip
from degas.data.origin import Origin, Records, origin_of_file
from degas.errors import UserError, unreadable
from degas.settings.sections import DataSettings

# The first name found counts; {} is `split`, as in the files of MedMNIST and Keras.
_IMAGE_NAMES = ("images", "x", "data", "arr_0")
_LABEL_NAMES = ("labels", "label", "y", "arr_1")
_PART_NAMES = (("{}_images", "x_{}"), ("{}_labels", "y_{}"))


def npz_origin(path: Path, settings: DataSettings) -> Origin:
    """Images uint8 or uint16 (N, H, W), (N, H, W, C) or (N, C, H, W), C = 1, 3 or 4; labels integers (N,) or (N, 1).

    Names: `images`, `x`, `data` or `arr_0`, with `labels`, `label`, `y` or `arr_1`; or by part, such as `train_images`
    with `train_labels`, `x_test` with `y_test` (`split`, default train). `class_names` (texts) is optional. No pickles.
    """
    return origin_of_file(".npz file", path, lambda: _records(path, settings.split))


def _records(path: Path, split: str | None) -> Records:
    with open_zip(path):
        pass  # checks names and unpacked sizes before numpy reads it
    try:
        with np.load(path, allow_pickle=False) as archive:
            images_name, labels_name = _names(path, archive.files, split)
            images = as_pictures(f"{path}: {images_name}", archive[images_name])
            labels = archive[labels_name] if labels_name else None
            names = tuple(str(n) for n in archive["class_names"]) if "class_names" in archive.files else ()
    except (*DAMAGE, OSError, NotImplementedError, ValueError) as error:
        if isinstance(error, OSError) and error.errno is not None:
            raise unreadable(path, error) from error
        raise UserError(f"{path}: cannot be read ({' '.join(str(error).split())[:120]}); save it again") from error
    if labels is not None:
        labels, names = as_labels(f"{path}: {labels_name}", labels, len(images), names)
    return Records(
        len(images),
        lambda rows: ((f"{path}: image {i}", images[i]) for i in rows),
        labels,
        names if labels is not None else (),
    )


def _names(path: Path, files: list[str], split: str | None) -> tuple[str, str | None]:
    whole = (_first(_IMAGE_NAMES, files), _first(_LABEL_NAMES, files))
    if whole[0] and split is None:
        return whole[0], whole[1]
    candidates = [tuple(pattern.format(split or "train") for pattern in kind) for kind in _PART_NAMES]
    images = _first(candidates[0], files)
    if images is None:
        wanted = " or ".join(candidates[0]) if split else "'images' or 'train_images'"
        raise UserError(f"{path}: no array {wanted}; it holds {', '.join(files) or 'nothing'}")
    return images, _first(candidates[1], files)


def _first(candidates: tuple[str, ...], files: list[str]) -> str | None:
    return next((name for name in candidates if name in files), None)


def as_pictures(where: str, array: np.ndarray) -> np.ndarray:
    """(N, H, W[, C]) unchanged, uint8 or uint16: the decoder handles 16 bits and transparency."""
    if array.dtype not in (np.uint8, np.uint16):
        raise UserError(f"{where}: {array.dtype} pixels; save them as uint8, 0 to 255")
    if array.ndim == 4 and array.shape[3] not in (1, 3, 4) and array.shape[1] in (1, 3, 4):
        array = array.transpose(0, 2, 3, 1)
    if not (array.ndim == 3 or (array.ndim == 4 and array.shape[3] in (1, 3, 4))) or 0 in array.shape[1:3]:
        raise UserError(f"{where}: shape {array.shape}; expected (N, H, W), (N, H, W, C) or (N, C, H, W), C = 1, 3, 4")
    return array


def as_labels(where: str, labels: np.ndarray, num: int, names: tuple[str, ...]) -> tuple[np.ndarray, tuple[str, ...]]:
    """int64 (N,) in 0..K−1 and the class names. Without `names` the classes are the values that occur."""
    if labels.ndim == 2 and labels.shape[1] == 1:
        labels = labels[:, 0]
    if labels.shape != (num,) or not np.issubdtype(labels.dtype, np.integer):
        raise UserError(f"{where}: {labels.dtype} {labels.shape}; expected {num} integers")
    values: Any = labels.astype(np.int64)
    if num and values.min() < 0:
        wrong = int(np.argmax(values < 0))
        raise UserError(f"{where}: image {wrong} has label {values[wrong]}; number the classes from 0")
    if not names:
        distinct, values = np.unique(values, return_inverse=True)
        return values.reshape(-1).astype(np.int64), tuple(map(str, distinct.tolist()))
    if num and values.min() >= 1 and values.max() == len(names):
        values = values - 1  # as many as there are names, counted from 1
    if num and values.max() >= len(names):
        wrong = int(np.argmax(values >= len(names)))
        raise UserError(f"{where}: image {wrong} has label {values[wrong]}, expected 0 to {len(names) - 1}")
    return values, names

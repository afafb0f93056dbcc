"""Images given as Python objects → `Records`: arrays, tensors, lists of pictures, data sets."""

from __future__ import annotations

import os
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any

import numpy as np
import torch
from PIL import Image

from degas.data.arrays import as_labels, as_pictures
from degas.data.bad_pictures import BadPictureError
from degas.data.hub import table_records
from degas.data.origin import Origin, Payload, Picture, Records
from degas.errors import UserError
from degas.settings.sections import DataSettings

ACCEPTED = (
    "a source's name or path, an array or tensor (N, H, W), (N, H, W, C) or (N, C, H, W) of uint8, a list of pictures "
    "(PIL images, arrays, paths), a data set with len() and [i], any of these with labels as (images, labels), or an "
    "ImageSet"
)
_PLAIN_MODES = ("L", "RGB", "RGBA", "I;16")


def python_origin(data: Any, settings: DataSettings) -> tuple[str, Origin]:
    """A name for messages and the `Origin` of images in memory, resized like any source. `UserError` if unknown."""
    parts = data if isinstance(data, tuple) and len(data) in (2, 3) else (data,)
    name = type(parts[0]).__name__
    if not _is_accepted(parts[0]):
        raise UserError(f"data: {_kind(parts[0])} is not a source of images; give {ACCEPTED}")
    if settings.split is not None:
        raise UserError(f"--data.split: {name} has no parts; leave it out")
    if _is_hub_table(data):
        return name, Origin(name, lambda: table_records(name, data, settings), list, str, cached=False)
    return name, Origin(name, lambda: records_of(name, data), list, str, cached=False)


def records_of(name: str, data: Any) -> Records:
    """`Records` of images, or of a tuple (images, labels) or (images, labels, class_names)."""
    parts = list(data) if isinstance(data, tuple) else [data]
    images, labels, names = parts + [None, ()][len(parts) - 1 :]
    if isinstance(images, np.ndarray | torch.Tensor):
        pictures = as_pictures(f"{name}: images", _as_array(images))
        return _records(name, pictures, labels, names)
    if labels is None:
        labels, names = _labels_of(name, images), getattr(images, "classes", ())
    return _records(name, images, labels, names)


def _records(name: str, pictures: Any, labels: Any, names: Any) -> Records:
    if labels is not None:
        labels, names = as_labels(f"{name}: labels", _as_array(labels), len(pictures), tuple(map(str, names)))

    def read(rows: np.ndarray) -> Iterator[Picture]:
        return ((f"{name} {i}", _payload(f"{name} {i}", pictures[int(i)])) for i in rows)

    return Records(len(pictures), read, labels, tuple(names) if labels is not None else ())


def _payload(name: str, item: Any) -> Payload:
    """Return the decoder's input for one item of a list or data set."""
    picture = _split(item)[0]
    if isinstance(picture, str | os.PathLike):
        return Path(picture).expanduser()
    if isinstance(picture, Image.Image):
        alpha = "A" in picture.getbands() or "transparency" in picture.info
        plain = picture if picture.mode in _PLAIN_MODES else picture.convert("RGBA" if alpha else "RGB")
        return np.asarray(plain)
    if not isinstance(picture, np.ndarray | torch.Tensor):
        return BadPictureError(name, f"is {_kind(picture)}", "give a PIL image, an array, a tensor or a path")
    array = _as_array(picture)
    if array.dtype not in (np.uint8, np.uint16):
        return BadPictureError(
            name, f"has {array.dtype} pixels", "give uint8, 0 to 255 (for values in [0, 1]: 255·x, rounded)"
        )
    try:
        return np.asarray(as_pictures(name, array[None])[0])
    except UserError:
        return BadPictureError(name, f"has shape {array.shape}", "give (H, W), (H, W, C) or (C, H, W), C = 1, 3, 4")


def _labels_of(name: str, data_set: Any) -> Any:
    """A data set's labels: its `targets`, else the second part of each item; None if it has neither."""
    targets = getattr(data_set, "targets", None)
    if targets is not None and len(targets) == len(data_set):
        return targets
    if not len(data_set) or _split(data_set[0])[1] is None:
        return None
    labels = [_split(data_set[i])[1] for i in range(len(data_set))]
    if wrong := [label for label in labels if not _is_whole_number(label)]:
        raise UserError(f"{name}: the second part of its items is {_kind(wrong[0])}; a label is a whole number")
    return np.array([int(label) for label in labels], np.int64)


def _is_whole_number(label: Any) -> bool:
    return np.ndim(label) == 0 and np.issubdtype(_as_array(label).dtype, np.integer)


def _split(item: Any) -> tuple[Any, Any]:
    """Picture and label of an item: itself, a pair, or a mapping with "image" and "label"."""
    if isinstance(item, Mapping):
        return item.get("image", item), item.get("label")
    if isinstance(item, tuple | list) and len(item) >= 1:
        return item[0], item[1] if len(item) > 1 else None
    return item, None


def _is_accepted(images: Any) -> bool:
    if isinstance(images, np.ndarray | torch.Tensor | list):
        return True
    maps = hasattr(images, "__len__") and hasattr(images, "__getitem__")
    return maps and not isinstance(images, Mapping | str | bytes | tuple)


def _is_hub_table(data: Any) -> bool:
    """Return whether `data` is a table of Hugging Face's library, which is not imported for this."""
    return type(data).__module__.split(".")[0] == "datasets" and hasattr(data, "features")


def _as_array(values: Any) -> np.ndarray:
    return np.asarray(values.detach().cpu() if isinstance(values, torch.Tensor) else values)


def _kind(value: Any) -> str:
    kind = type(value)
    name = kind.__name__ if kind.__module__ == "builtins" else f"{kind.__module__}.{kind.__qualname__}"
    return f"an object of type {name}"

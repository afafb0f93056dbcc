"""Data sources of the user's own, by name: a function that returns arrays."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np

from degas.data.arrays import as_labels, as_pictures
from degas.data.origin import Origin, Records
from degas.errors import UserError
from degas.settings.sections import DataSettings

# Name → function that returns images, or (images, labels), or (images, labels, class_names).
SOURCES: dict[str, Callable[[], Any]] = {}


def registered_origin(name: str, settings: DataSettings) -> Origin:
    """The registered source as any other: resized to `image_size` (default: 32), subset, decoded in memory."""
    if settings.split is not None:
        raise UserError(f"--data.split: {name} has no parts; leave it out")
    return Origin(f"source {name}", lambda: _records(name), listing=list, content=str, cached=False)


def _records(name: str) -> Records:
    made = SOURCES[name]()
    parts = list(made) if isinstance(made, tuple) else [made]
    images, labels, names = parts + [None, ()][len(parts) - 1 :]
    pictures = as_pictures(f"{name}: images", np.asarray(images))
    if labels is not None:
        labels, names = as_labels(f"{name}: labels", np.asarray(labels), len(pictures), tuple(names))
    return Records(len(pictures), lambda rows: ((f"{name} {i}", pictures[i]) for i in rows), labels, tuple(names))

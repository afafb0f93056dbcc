"""A user's own data sources, by name: functions that return images in memory."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from degas.data.from_python import records_of
from degas.data.origin import Origin
from degas.errors import UserError
from degas.settings.sections import DataSettings

# Name → function that returns images, or (images, labels), or (images, labels, class_names).
SOURCES: dict[str, Callable[[], Any]] = {}


def registered_origin(name: str, settings: DataSettings) -> Origin:
    """The registered source, like any other: resized to `image_size` (default: 32), subset, decoded in memory."""
    if settings.split is not None:
        raise UserError(f"--data.split: {name} has no parts; leave it out")
    return Origin(f"source {name}", lambda: records_of(name, SOURCES[name]()), listing=list, content=str, cached=False)

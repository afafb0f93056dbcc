"""The images that show a generator at a glance, and as many real ones beside them, in the same rows."""

from __future__ import annotations

import numpy as np
import torch
from torch import Tensor

from degas.data.image_set import ImageSet
from degas.generator.generator import Generator
from degas.runtime.names import composed

GRID_COLUMNS = 8
MAX_GRID_ROWS = 10
PICTURE_ROWS, PICTURE_COLUMNS = 10, 10  # of a run's samples.png
WHITE = 255


def sample_grid(generator: Generator, seed: int) -> Tensor:
    """Samples in rows of eight: uint8 (8·R, C, H, W), always from the same noise; with classes a row for each."""
    rows = num_rows(generator)
    labels = torch.arange(rows).repeat_interleave(GRID_COLUMNS) if generator.num_classes else None
    return generator.sample(rows * GRID_COLUMNS, seed, labels)


def class_rows(num_classes: int) -> Tensor | None:
    """Labels (100,) of a run's picture, ten a row: each row of one class, the classes in order; None without classes.

    Up to ten classes have equal shares of the rows; of more, ten are shown, spread over them.
    """
    rows = torch.arange(PICTURE_ROWS) * num_classes // PICTURE_ROWS
    return rows.repeat_interleave(PICTURE_COLUMNS) if num_classes else None


def enlarged(images: Tensor, size: int) -> Tensor:
    """Images uint8 (N, C, h, h) with each pixel repeated, `size` being a multiple of h: (N, C, size, size)."""
    factor = size // images.shape[-1]
    return images if factor == 1 else images.repeat_interleave(factor, 2).repeat_interleave(factor, 3)


def real_grid(images: ImageSet, generator: Generator) -> np.ndarray:
    """Real images in the rows of `sample_grid`, spread over the set, which may be sorted: uint8 (≤ 8·R, C, H, W).

    A class with fewer than eight images, or none by its name, ends in white.
    """
    rows = num_rows(generator)
    numbers = class_numbers(images, generator)
    if numbers is None or images.labels is None:
        return images.images[spread(np.arange(images.num_images), rows * GRID_COLUMNS)]
    shape = (rows * GRID_COLUMNS, images.channels, images.image_size, images.image_size)
    shown = np.full(shape, WHITE, np.uint8)
    for row, number in enumerate(numbers[:rows]):
        chosen = spread(np.flatnonzero(images.labels == number), GRID_COLUMNS)
        shown[row * GRID_COLUMNS : row * GRID_COLUMNS + len(chosen)] = images.images[chosen]
    return shown


def num_rows(generator: Generator) -> int:
    return min(generator.num_classes or GRID_COLUMNS, MAX_GRID_ROWS)


def class_numbers(images: ImageSet, generator: Generator) -> list[int] | None:
    """The images' number of each of the generator's classes, by name; −1 for one they lack; None without classes."""
    if not generator.num_classes or images.labels is None:
        return None
    if not generator.class_names:
        return list(range(generator.num_classes))
    known = {composed(name): number for number, name in enumerate(images.class_names)}
    return [known.get(composed(name), -1) for name in generator.class_names]


def spread(items: np.ndarray, most: int) -> np.ndarray:
    """At most `most` of `items` (N,), evenly spread from the first on."""
    return items[:: max(1, len(items) // most)][:most]

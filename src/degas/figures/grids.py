"""Many images in one PNG."""

from __future__ import annotations

import math
import os
from pathlib import Path

import numpy as np
from PIL import Image
from torch import Tensor

from degas.runtime.durable import writing
from degas.runtime.paths import expanded

_TILE_PIXELS = 48  # smaller tiles are enlarged: digits of 16 px are too small to judge by eye
_GAP_PIXELS = 2


def save_grid(
    images: np.ndarray | Tensor, path: Path | str, columns: int | None = None, scale: int | None = None
) -> None:
    """Write `images` (N, C, H, W), uint8, C = 1 or 3, row by row into one PNG on white; atomic.

    `columns` defaults to the smallest square that holds them all. `scale` is a whole factor of enlargement by nearest
    neighbour; the default makes a tile at least 48 px wide.
    """
    save_png(compose_grid(images, columns, scale), path)


def compose_grid(images: np.ndarray | Tensor, columns: int | None = None, scale: int | None = None) -> np.ndarray:
    """The grid of `save_grid` as an array (height, width, C), uint8."""
    array = images.detach().cpu().numpy() if isinstance(images, Tensor) else np.asarray(images)
    if array.dtype != np.uint8 or array.ndim != 4 or array.shape[1] not in (1, 3) or len(array) == 0:
        raise TypeError(f"a grid takes uint8 images (N, 1 or 3, H, W), N ≥ 1; got {array.dtype} {array.shape}")
    num, channels, height, width = array.shape
    columns = columns or math.ceil(math.sqrt(num))
    scale = scale or max(1, math.ceil(_TILE_PIXELS / max(height, width)))
    rows = math.ceil(num / columns)
    tiles = array.repeat(scale, axis=2).repeat(scale, axis=3)
    step_y, step_x = height * scale + _GAP_PIXELS, width * scale + _GAP_PIXELS
    canvas = np.full((rows * step_y + _GAP_PIXELS, columns * step_x + _GAP_PIXELS, channels), 255, np.uint8)
    for i in range(num):
        top, left = _GAP_PIXELS + i // columns * step_y, _GAP_PIXELS + i % columns * step_x
        canvas[top : top + height * scale, left : left + width * scale] = tiles[i].transpose(1, 2, 0)
    return canvas


def save_png(array: np.ndarray, path: Path | str) -> None:
    """Write one (H, W, 1 or 3) uint8 array as a PNG, atomically: a reader sees the old file or the new one."""
    path = expanded(path)
    temporary = path.with_name(f".{path.name}.part")  # a fixed name, so that a killed process's rest is overwritten
    with writing(path):
        try:
            Image.fromarray(array[:, :, 0] if array.shape[2] == 1 else array).save(temporary, format="PNG")
            os.replace(temporary, path)
        finally:
            temporary.unlink(missing_ok=True)

"""DiffAugment (Zhao et al. 2020): differentiable augmentation of real and fake images before the critic.

Colour (brightness ± ½, saturation 0 to 2, contrast ½ to 1½), translation by up to ⅛ of the side, cutout of a square of
half the side: the paper's three, with the strengths of its authors' code. Images (N, C, H, W) in [−1, 1]; as in that
code, the result may leave the range. Draws from torch's global random state on the images' device.
"""

from __future__ import annotations

import torch
from torch import Tensor


def diffaugment(images: Tensor) -> Tensor:
    """Colour, translation and cutout, drawn for each image."""
    return cutout(translate(colour(images)))


def colour(images: Tensor) -> Tensor:
    """Brightness, saturation and contrast of each image; saturation does not change a grey image."""
    images = images + _uniform(images, -0.5, 0.5)
    if images.shape[1] > 1:
        grey = images.mean(1, keepdim=True)
        images = grey + (images - grey) * _uniform(images, 0.0, 2.0)
    mean = images.mean((1, 2, 3), keepdim=True)
    return mean + (images - mean) * _uniform(images, 0.5, 1.5)


def translate(images: Tensor) -> Tensor:
    """Shift each image by a whole number of pixels up to ⅛ of its side, in each direction; fill with zeros."""
    n, _, height, width = images.shape
    rows = _shifted(n, height, images.device)  # (N, H) source rows
    columns = _shifted(n, width, images.device)  # (N, W)
    inside = _within(rows, height)[:, None, :, None] & _within(columns, width)[:, None, None, :]
    batch = torch.arange(n, device=images.device)[:, None, None]
    moved = images.movedim(1, 3)[batch, rows.clamp(0, height - 1)[:, :, None], columns.clamp(0, width - 1)[:, None, :]]
    return moved.movedim(3, 1) * inside


def cutout(images: Tensor) -> Tensor:
    """Zero a square of half the side, centred anywhere in the image."""
    n, _, height, width = images.shape
    rows = _cut(n, height, images.device)[:, None, :, None]
    columns = _cut(n, width, images.device)[:, None, None, :]
    return images * ~(rows & columns)


def _uniform(images: Tensor, low: float, high: float) -> Tensor:
    """One number per image, shaped (N, 1, 1, 1)."""
    draw = torch.rand(images.shape[0], 1, 1, 1, device=images.device, dtype=images.dtype)
    return low + (high - low) * draw


def _shifted(n: int, size: int, device: torch.device) -> Tensor:
    shift = torch.randint(-(size // 8), size // 8 + 1, (n, 1), device=device)
    return torch.arange(size, device=device) - shift


def _within(index: Tensor, size: int) -> Tensor:
    return (index >= 0) & (index < size)


def _cut(n: int, size: int, device: torch.device) -> Tensor:
    """Return a mask (N, size) of the pixels that the square covers along one axis."""
    centre = torch.randint(0, size + 1 - (size // 2) % 2, (n, 1), device=device)
    start = centre - size // 4
    pixels = torch.arange(size, device=device)
    return (pixels >= start) & (pixels < start + size // 2)

"""Laplacian pyramid the plain way: explicit replicate padding and convolutions, one image plane at a time."""

from __future__ import annotations

import torch
import torch.nn.functional as F
from torch import Tensor

KERNEL = torch.tensor([1.0, 4.0, 6.0, 4.0, 1.0], dtype=torch.float64) / 16
PLANE = torch.outer(KERNEL, KERNEL)[None, None]  # (1, 1, 5, 5)


def naive_reduce(plane: Tensor) -> Tensor:
    """(H, W) float64 → (⌈H/2⌉, ⌈W/2⌉)."""
    padded = F.pad(plane[None, None], (2, 2, 2, 2), mode="replicate")
    return F.conv2d(padded, PLANE)[0, 0, ::2, ::2]


def naive_expand(plane: Tensor, height: int, width: int) -> Tensor:
    """(h, w) float64 → (height, width): zeros between the replicate-padded pixels, then four times the kernel."""
    padded = F.pad(plane[None, None], (2, 2, 2, 2), mode="replicate")[0, 0]
    stuffed = torch.zeros(2 * padded.shape[0], 2 * padded.shape[1], dtype=plane.dtype)
    stuffed[::2, ::2] = padded
    blurred = F.conv2d(stuffed[None, None], 4 * PLANE)[0, 0]  # pixel (i, j) here is stuffed pixel (i + 2, j + 2)
    return blurred[2 : 2 + height, 2 : 2 + width]


def naive_pyramid(plane: Tensor, num_bands: int) -> list[Tensor]:
    levels, current = [], plane
    for _ in range(num_bands):
        smaller = naive_reduce(current)
        levels.append(current - naive_expand(smaller, *current.shape))
        current = smaller
    return [*levels, current]


def naive_terms(fake_images: Tensor, real_images: Tensor, num_bands: int) -> tuple[float, float]:
    """(l2, lap1) of float64 (N, C, H, W), with two pyramids an image plane and loops."""
    square = laplace = 0.0
    for fake, real in zip(fake_images.flatten(0, 1), real_images.flatten(0, 1), strict=True):
        square += float(((real - fake) ** 2).sum())
        pyramids = naive_pyramid(real, num_bands), naive_pyramid(fake, num_bands)
        for j, (level_real, level_fake) in enumerate(zip(*pyramids, strict=True)):
            laplace += 2 ** (2 * j) * float((level_real - level_fake).abs().sum())
    return square / real_images.numel(), laplace / real_images.numel()

"""The reconstruction loss of GLO: squared error and Laplacian pyramid. Paper eq. 2, docs/equations.md.

The pyramid is Burt and Adelson's (1983): *reduce* blurs with [1 4 6 4 1]/16 along each axis and keeps every second
pixel, *expand* is its counterpart, and a band is the difference between a level and the expansion of the next. Both are
linear and separable, so each is one small matrix per axis, borders included, and the pyramid of a difference is the
difference of the pyramids.
"""

from __future__ import annotations

from collections.abc import Sequence
from functools import cache

import torch
from torch import Tensor

from degas.errors import UserError

KERNEL = (1 / 16, 4 / 16, 6 / 16, 4 / 16, 1 / 16)
LOSSES = {"l2-lap1": ("l2", "lap1"), "l2": ("l2",), "lap1": ("lap1",)}


def num_bands(size: int) -> int:
    """Band levels for images of `size` pixels: ⌊log2(size)⌋ − 2, at least 1 (our choice).

    32 px has bands at 32, 16 and 8 px and a low-pass residual at 4 px. An image of one pixel has no band.
    """
    return max(1, size.bit_length() - 3) if size > 1 else 0


def laplacian_pyramid(images: Tensor, bands: int | None = None) -> list[Tensor]:
    """The bands of images (N, C, H, W), finest first, and the low-pass residual last: (N, C, h_j, w_j)."""
    levels, current = [], images
    for _ in range(num_bands(min(images.shape[-2:])) if bands is None else bands):
        smaller = reduce(current)
        levels.append(current - expand(smaller, *current.shape[-2:]))
        current = smaller
    return [*levels, current]


def from_pyramid(levels: list[Tensor]) -> Tensor:
    """The images with pyramid `levels`: expand and add, coarsest first. Exact apart from rounding."""
    current = levels[-1]
    for band in reversed(levels[:-1]):
        current = band + expand(current, *band.shape[-2:])
    return current


def level_weights(size: int, num_levels: int | None = None, weights: Sequence[float] | None = None) -> list[float]:
    """The weights of the pyramid's levels, finest first, the low-pass residual last: 4^j unless given (paper eq. 2).

    Args:
        size: of the images, in pixels.
        num_levels: bands, without the residual; default: `num_bands(size)`, or as many as `weights` need.
        weights: of the bands and of the residual.

    Raises:
        UserError: more bands than the images can be halved, or another number of weights than of levels.
    """
    most = max(size.bit_length() - 1, 0)
    if weights is not None and num_levels is not None and len(weights) != num_levels + 1:
        raise UserError(
            f"search: --search.pyramid-weights has {len(weights)} values, but {num_levels} bands and the low-pass "
            f"residual need {num_levels + 1}"
        )
    bands = len(weights) - 1 if weights is not None else num_bands(size) if num_levels is None else num_levels
    if bands > most:
        raise UserError(
            f"search: --search.pyramid-levels: {size} px can be halved {most} times, so not {bands} bands; give fewer"
        )
    return [float(weight) for weight in weights] if weights is not None else [4.0**j for j in range(bands + 1)]


def reconstruction_terms(
    fake_images: Tensor, real_images: Tensor, loss: str = "l2-lap1", weights: Sequence[float] | None = None
) -> dict[str, Tensor]:
    """The terms of ℓ by name, each a scalar: the batch mean of the paper's term over pixels·channels.

    l2 = ‖x − x̂‖² / (C·H·W) and lap1 = Σ_j 4^j |L^j(x) − L^j(x̂)|₁ / (C·H·W), with j = 0 the finest level. The division
    is ours, so that learning rates do not depend on the image size. Images (N, C, H, W) are in [−1, 1]; `loss` is a key
    of LOSSES; ℓ is the sum of the terms. `weights` (`level_weights`) replace the paper's 4^j.
    """
    difference = real_images - fake_images.to(real_images.dtype)
    count = difference.numel()
    terms = {}
    for name in LOSSES[loss]:
        if name == "l2":
            terms[name] = difference.square().sum() / count
        else:
            if weights is None:
                weights = level_weights(min(difference.shape[-2:]))
            levels = zip(weights, laplacian_pyramid(difference, len(weights) - 1), strict=True)
            terms[name] = torch.stack([weight * level.abs().sum() for weight, level in levels]).sum() / count
    return terms


def reduce(images: Tensor) -> Tensor:
    """(N, C, H, W) → (N, C, ⌈H/2⌉, ⌈W/2⌉): blur, then every second pixel."""
    rows, columns = (reduce_matrix(size, images.dtype, images.device) for size in images.shape[-2:])
    return rows @ images @ columns.T


def expand(images: Tensor, height: int, width: int) -> Tensor:
    """(N, C, ⌈height/2⌉, ⌈width/2⌉) → (N, C, height, width): zeros between pixels, then twice the kernel."""
    rows, columns = (expand_matrix(size, images.dtype, images.device) for size in (height, width))
    return rows @ images @ columns.T


@cache
def reduce_matrix(size: int, dtype: torch.dtype, device: torch.device) -> Tensor:
    """(⌈size/2⌉, size): blur with replicated borders, then every second pixel."""
    matrix = torch.zeros((size + 1) // 2, size, dtype=torch.float64)
    for row in range(matrix.shape[0]):
        for offset, weight in enumerate(KERNEL):
            matrix[row, min(max(2 * row + offset - 2, 0), size - 1)] += weight
    return matrix.to(device, dtype)


@cache
def expand_matrix(size: int, dtype: torch.dtype, device: torch.device) -> Tensor:
    """(size, ⌈size/2⌉): twice the kernel around every second pixel, with replicated borders."""
    small = (size + 1) // 2
    matrix = torch.zeros(size, small, dtype=torch.float64)
    for row in range(size):
        for source in range(-1, small + 1):  # one replicated pixel beyond each border suffices
            offset = row - 2 * source + 2
            if 0 <= offset < len(KERNEL):
                matrix[row, min(max(source, 0), small - 1)] += 2 * KERNEL[offset]
    return matrix.to(device, dtype)

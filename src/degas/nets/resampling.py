"""Convolutions next to a change of size, computed at the smaller size: the same sums with fewer multiplications.

Nearest up-sampling followed by a k×k convolution equals one transposed convolution with a (k + factor − 1)×(k + factor
− 1) kernel. A k×k convolution followed by a 2×2 mean pool equals one convolution of stride 2 with a (k + 1)×(k + 1)
kernel. For k = 3 and factor 2 both take 16 products instead of 36. A blur with stride 2 becomes part of the kernel
likewise. They are exact apart from rounding, including derivatives of any order; `as_defined` computes the definitions
instead.
"""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from contextvars import ContextVar

import torch
import torch.nn.functional as F
from torch import Tensor, nn

_AS_DEFINED: ContextVar[bool] = ContextVar("as_defined", default=False)


@contextmanager
def as_defined() -> Iterator[None]:
    """Inside the block, everything here is computed by its definition: for counting costs, and for tests."""
    token = _AS_DEFINED.set(True)
    try:
        yield
    finally:
        _AS_DEFINED.reset(token)


def repeat_pixels(x: Tensor, factor: int) -> Tensor:
    """Nearest up-sampling: (N, C, H, W) → (N, C, factor·H, factor·W)."""
    return F.interpolate(x, scale_factor=factor, mode="nearest") if factor > 1 else x


def half(x: Tensor) -> Tensor:
    """Mean pool 2×2, odd sizes rounded up: (N, C, H, W) → (N, C, ⌈H/2⌉, ⌈W/2⌉)."""
    return F.avg_pool2d(x, 2, ceil_mode=True)


def repeat_and_convolve(x: Tensor, conv: nn.Conv2d, factor: int = 2) -> Tensor:
    """`conv(repeat_pixels(x, factor))`, (N, C, H, W) → (N, C', factor·H, factor·W)."""
    if _AS_DEFINED.get() or not keeps_size(conv):
        return conv(repeat_pixels(x, factor))
    size = conv.kernel_size[0]
    if size == 1:
        return repeat_pixels(conv(x), factor)
    # A transposed convolution flips its kernel; each repeated pixel adds a shifted copy of it.
    kernel = spread(conv.weight.flip(2, 3).transpose(0, 1), copies=factor, shift=1)  # (C, C', k + factor − 1, …)
    return up_convolve(x, kernel, factor, conv.bias)


def repeat_and_deconvolve(x: Tensor, deconv: nn.ConvTranspose2d, factor: int) -> Tensor:
    """`deconv(repeat_pixels(x, factor))` for a `deconv` that doubles the size, → (N, C', 2·factor·H, 2·factor·W)."""
    if _AS_DEFINED.get() or not doubles_size(deconv):
        return deconv(repeat_pixels(x, factor))
    return up_convolve(x, fold_nearest(deconv.weight, factor), 2 * factor, deconv.bias)


def convolve_and_half(x: Tensor, conv: nn.Conv2d) -> Tensor:
    """`half(conv(x))`, (N, C, H, W) → (N, C', ⌈H/2⌉, ⌈W/2⌉); odd sizes are computed by the definition."""
    if _AS_DEFINED.get() or not keeps_size(conv) or x.shape[2] % 2 or x.shape[3] % 2:
        return half(conv(x))
    if conv.kernel_size[0] == 1:
        return conv(half(x))
    # The mean of four copies of the kernel, one pixel apart: a mean pool over the zero-padded kernel.
    kernel = F.avg_pool2d(F.pad(conv.weight, (1, 1, 1, 1)), 2, stride=1)  # (C', C, k + 1, k + 1)
    return F.conv2d(x, kernel, conv.bias, stride=2, padding=conv.kernel_size[0] // 2)


def convolve_and_blur(x: Tensor, conv: nn.Conv2d) -> Tensor:
    """Every second pixel of `conv(x)` blurred by [1, 3, 3, 1] / 8 along each axis, (N, C', ⌈H/2⌉, ⌈W/2⌉).

    A blur before the stride removes what would alias (Zhang 2019). The convolution also sees the places next to the
    map, so the two equal one kernel exactly, even at borders; odd sizes get one more row or column of zeros.
    """
    x, size = even(x), conv.kernel_size[0]
    if not _AS_DEFINED.get():
        return F.conv2d(x, blurred(conv.weight), conv.bias, stride=2, padding=size // 2 + 1)
    wide = F.conv2d(x, conv.weight, conv.bias, padding=size // 2 + 1)  # (N, C', H + 2, W + 2)
    blur = blurred(torch.ones_like(wide[0, :, :1, :1]).unsqueeze(1))  # (C', 1, 4, 4)
    return F.conv2d(wide, blur, stride=2, groups=wide.shape[1])


def blurred(kernel: Tensor) -> Tensor:
    """The kernel (·, ·, k, k) blurred by [1, 3, 3, 1] / 8 along each axis: (·, ·, k + 3, k + 3)."""
    for _ in range(3):
        kernel = spread(kernel, copies=2, shift=1)  # [1, 1] convolved three times is [1, 3, 3, 1]
    return kernel / 64


def even(x: Tensor) -> Tensor:
    """The map with a last row and column of zeros where its size is odd: (N, C, H, W) → (N, C, 2⌈H/2⌉, 2⌈W/2⌉)."""
    height, width = x.shape[2] % 2, x.shape[3] % 2
    return F.pad(x, (0, width, 0, height)) if height or width else x


def up_convolve(x: Tensor, kernel: Tensor, stride: int = 2, bias: Tensor | None = None) -> Tensor:
    """A transposed convolution to exactly `stride` times the size: kernel (C_in, C_out, k, k), k − stride even."""
    return F.conv_transpose2d(x, kernel, bias, stride=stride, padding=(kernel.shape[-1] - stride) // 2)


def fold_nearest(kernel: Tensor, repeats: int) -> Tensor:
    """The kernel of stride 2·repeats that equals nearest up-sampling by `repeats`, then `kernel` with stride 2.

    Repeated pixels are one apart, so the copies of the kernel are two apart.
    """
    return spread(kernel, repeats, 2) if repeats > 1 else kernel


def spread(kernel: Tensor, copies: int, shift: int) -> Tensor:
    """The sum of copies² copies of a kernel (·, ·, k, k), `shift` apart on each axis: size k + shift·(copies − 1)."""
    margin = shift * (copies - 1)
    for axis in (0, 1):
        pads = [(shift * i, margin - shift * i) for i in range(copies)]
        kernel = torch.stack([F.pad(kernel, pad if axis == 0 else (0, 0, *pad)) for pad in pads]).sum(0)
    return kernel


def keeps_size(conv: nn.Conv2d) -> bool:
    """Return whether `conv` is a plain, zero-padded convolution with an odd kernel, which keeps the input's size."""
    size = conv.kernel_size[0]
    plain = conv.stride == (1, 1) and conv.dilation == (1, 1) and conv.groups == 1 and conv.padding_mode == "zeros"
    return plain and conv.kernel_size == (size, size) and size % 2 == 1 and conv.padding == (size // 2, size // 2)


def doubles_size(deconv: nn.ConvTranspose2d) -> bool:
    """Return whether `deconv` is plain, with stride 2 and an even kernel, and doubles the size exactly."""
    size, margin = deconv.kernel_size[0], (deconv.kernel_size[0] - 2) // 2
    plain = deconv.stride == (2, 2) and deconv.dilation == (1, 1) and deconv.groups == 1
    square = deconv.kernel_size == (size, size) and size % 2 == 0
    return plain and square and deconv.padding == (margin, margin) and deconv.output_padding == (0, 0)


def waits() -> bool:
    """Return whether up-sampling may be deferred to the next convolution."""
    return not _AS_DEFINED.get()

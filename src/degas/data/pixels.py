"""The three conversions between stored pixels and network values, each with one name and one use."""

from __future__ import annotations

import torch
from torch import Tensor

from degas.runtime.transfer import to_device

# Noise levels inside one grey level. With 2^16 levels every dequantised value is exact in float32, so that `to_uint8`
# always returns the stored pixel; torch.rand's 2^24 would round up to the next level about once in a million pixels.
_LEVELS = 2**16


def to_symmetric(images: Tensor) -> Tensor:
    """x/127.5 − 1: uint8 of any shape → float32 in [−1, 1], for the GLO search (our choice)."""
    _require_uint8(images)
    return images.to(torch.float32).div_(127.5).sub_(1.0)


def dequantise(images: Tensor, generator: torch.Generator) -> Tensor:
    """2·(x/256 − ½) + U(0, 1/128): uint8 of any shape → float32 in [−1, 1), for GAN training (CT-GAN's code).

    The noise is drawn on the device of `generator`, so that a CPU generator gives the same values for any device.
    `to_uint8` inverts this exactly.
    """
    _require_uint8(images)
    drawn = torch.randint(0, _LEVELS, images.shape, generator=generator, device=generator.device, dtype=torch.int32)
    noise = to_device(drawn, images.device).to(torch.float32)
    return images.to(torch.float32).div_(128.0).sub_(1.0).add_(noise, alpha=1 / (128 * _LEVELS))


def to_uint8(images: Tensor) -> Tensor:
    """floor(128·(x + 1)) clipped to 0..255: floats in [−1, 1] of any shape → uint8 (inverse of `dequantise`)."""
    return images.detach().to(torch.float32).add(1.0).mul_(128.0).floor_().clamp_(0, 255).to(torch.uint8)


def _require_uint8(images: Tensor) -> None:
    if images.dtype != torch.uint8:
        raise TypeError(f"stored pixels are uint8, not {images.dtype}")

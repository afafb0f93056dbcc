"""CT-GAN's initial weights: uniform, scaled by the mean of fan-in and fan-out; biases are zero.

The variance is `gain` · 2 / (fan_in + fan_out): gain 1 is Glorot's, gain 2 is called He in the authors' code. It
differs from He's own 2 / fan_in if the widths differ: by a factor of 22 for the first convolution (3 → 128 channels).
"""

from __future__ import annotations

import math
from typing import TypeVar

from torch import nn

GLOROT, HE = 1.0, 2.0
Layer = TypeVar("Layer", nn.Conv2d, nn.ConvTranspose2d, nn.Linear)


def started(layer: Layer, gain: float) -> Layer:
    """`layer` with weights drawn from U(−b, b), b² = 3 · gain · 2 / (fan_in + fan_out), and zero biases.

    Each output pixel of a transposed convolution of stride s sees 1/s² of the kernel's taps; only those count. In a
    convolution of g groups each channel sees and is seen by those of its group.
    """
    first, second, *kernel = layer.weight.shape
    unseen = math.prod(layer.stride) if isinstance(layer, nn.ConvTranspose2d) else 1
    fans = (first // getattr(layer, "groups", 1) + second) * math.prod(kernel) / unseen
    bound = math.sqrt(3.0 * gain * 2.0 / fans)
    nn.init.uniform_(layer.weight, -bound, bound)
    if layer.bias is not None:
        nn.init.zeros_(layer.bias)
    return layer


def biased_conv(width_in: int, width_out: int, size: int, gain: float = HE) -> nn.Conv2d:
    """A convolution with biases that keeps H and W (`size` odd)."""
    return started(nn.Conv2d(width_in, width_out, size, padding=size // 2), gain)

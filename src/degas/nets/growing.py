"""Parts of networks that grow to larger images in stages: an image head on a smaller map, and the fade between sizes.

Each stage begins with the images of the one before, each pixel repeated, and fades in its own, as in progressive
growing of GANs (Karras et al. 2018).
"""

from __future__ import annotations

import torch
from torch import Tensor, nn

from degas.nets.backbone import FLAT
from degas.nets.normalisation import BatchNorm
from degas.nets.operations import convolution
from degas.nets.resampling import repeat_pixels

FADE_SHARE = 0.1  # of a stage's steps (our choice)
HEAD_PARTS = ("norm", "to_image")  # of a generator's own head, and of `Head`


class Head(nn.Module):
    """A map (N, width, h, h) → images (N, channels, h, h) in [−1, 1], as at the end of the backbone."""

    def __init__(self, width: int, channels: int) -> None:
        super().__init__()
        self.norm = BatchNorm(width)
        self.to_image = convolution(width, channels, 3, gain=FLAT)
        self.to_image.bias = nn.Parameter(torch.zeros(channels))

    def forward(self, x: Tensor) -> Tensor:
        return torch.tanh(self.to_image(self.norm(x).relu_()))


def faded(own: Tensor, before: Tensor, fade: float) -> Tensor:
    """fade · own + (1 − fade) · before, each pixel of `before` repeated to the size of `own` (N, C, H, W)."""
    return fade * own + (1.0 - fade) * repeat_pixels(before, own.shape[-1] // before.shape[-1])


def fade_share(step: int, total_steps: int) -> float:
    """The share of a stage's own images in its step `step` (from 0): it grows to 1 in a tenth of the steps."""
    return min(1.0, (step + 1) / max(1.0, FADE_SHARE * total_steps))

"""The averaged generator: an exponential moving average of the weights, with better samples than the last weights."""

from __future__ import annotations

import copy
import math

import torch
from torch import nn

# The half-life is at most this share of the images seen so far, so that it grows from 0 and the average forgets the
# untrained weights (StyleGAN2-ADA's code has 0.05 and calls it ramp-up).
RAMP = 0.05


def decay_of(images_seen: float, batch_images: int, half_life_images: int, progress: float | None = None) -> float:
    """β = ½^(batch / half-life), half-life = min(half_life_images, RAMP · images_seen); 0 at the very start.

    With `progress`, the share of the training done, the half-life grows along half a cosine instead (R3GAN's code).
    """
    if progress is None:
        half_life = min(float(half_life_images), RAMP * images_seen)
    else:
        half_life = half_life_images * 0.5 * (1.0 - math.cos(math.pi * progress))
    return 0.5 ** (batch_images / half_life) if half_life > 0 else 0.0


class Average:
    """Averages a module: after `update`, average ← β · average + (1 − β) · module.

    Batch-norm buffers are averaged with the same β, which keeps them near the statistics of the averaged weights; if
    they matter (`sampling_bn`) they are recalibrated anyway.

    `trained`: the module already has trained weights. The average then starts from them with the full half-life, since
    one that grows from 0 would forget them in the first step.
    """

    def __init__(self, module: nn.Module, half_life_images: int, *, trained: bool = False) -> None:
        self.module = copy.deepcopy(module).requires_grad_(False)
        self.half_life_images = half_life_images
        self.trained = trained

    @torch.no_grad()
    def update(self, module: nn.Module, images_seen: int, batch_images: int, progress: float | None = None) -> None:
        """Take in `module` after a step of `batch_images`; `images_seen` counts them, this step's included."""
        seen = math.inf if self.trained else images_seen
        decay = decay_of(seen, batch_images, self.half_life_images, None if self.trained else progress)
        pairs = list(zip(self.module.state_dict().values(), module.state_dict().values(), strict=True))
        averages, values = zip(*(pair for pair in pairs if pair[0].is_floating_point()), strict=True)
        torch._foreach_lerp_(averages, values, 1.0 - decay)
        for average, value in pairs:
            if not average.is_floating_point():  # a counter in a user's own operation
                average.copy_(value)

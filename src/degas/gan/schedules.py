"""What moves during a training besides the weights: learning rates and Adam's β2, functions of the share done."""

from __future__ import annotations

import math

from degas.gan.settings import CompleteGan


def half_cosine(progress: float) -> float:
    """1 at progress 0, 0 at 1, along half a cosine."""
    return 0.5 * (1.0 + math.cos(math.pi * progress))


def rate_share(settings: CompleteGan, progress: float) -> float:
    """The share of both learning rates: from 1 to `lr_end_share`, along a line or half a cosine."""
    last = settings.lr_end_share
    if settings.lr_decay == "cosine":
        return last + (1.0 - last) * half_cosine(progress)
    return 1.0 - (1.0 - last) * progress if settings.lr_decay == "linear" else 1.0


def betas_at(settings: CompleteGan, progress: float) -> tuple[float, float]:
    """Adam's betas: β2 moves from its first value to `beta2_end` along half a cosine."""
    (beta1, first), last = settings.betas, settings.beta2_end
    return beta1, last + (first - last) * half_cosine(progress)

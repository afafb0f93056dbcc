"""What moves during a training besides the weights: learning rates and Adam's β2, functions of the share done."""

from __future__ import annotations

from degas.gan.settings import CompleteGan
from degas.runtime.schedules import half_cosine


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

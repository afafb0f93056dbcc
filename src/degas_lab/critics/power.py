"""The test power of a critic: how surely its scores tell held-out reals from fakes. Pure functions of scores."""

from __future__ import annotations

import torch
from torch import Tensor

from degas.gan.losses import kernel, mean_off_diagonal, squared_distances

LEAST_VARIANCE = 1e-4  # added, so that fakes told apart perfectly do not count without bound; our choice


def two_sample_power(real_scores: Tensor, fake_scores: Tensor) -> Tensor:
    """MMD² / σ, the ratio that decides the power of a two-sample test (Liu et al. 2020, eq. 4 and 5).

    MMD² is unbiased, with the Gaussian kernel of width 1 on the scores; σ² is its variance if reals and fakes differ,
    4 (E_i (E_j H_ij)² − (E_ij H_ij)²) plus `LEAST_VARIANCE`. Scores with one number are first divided by the standard
    deviation of both groups together, since their scale is arbitrary; those of `mmd` have the kernel's scale.

    Args:
        real_scores, fake_scores: equally many, (N,) or (N, F), N ≥ 2.
    """
    real, fake = _comparable(real_scores, fake_scores)  # (N, F) each
    across = kernel(squared_distances(real, fake))  # (N, N)
    pairs = kernel(squared_distances(real, real)) + kernel(squared_distances(fake, fake)) - across - across.T
    variance = 4.0 * (pairs.mean(1).square().mean() - pairs.mean().square())
    return mean_off_diagonal(pairs) / (variance.clamp(min=0) + LEAST_VARIANCE).sqrt()


def _comparable(real_scores: Tensor, fake_scores: Tensor) -> tuple[Tensor, Tensor]:
    if real_scores.ndim > 1:
        return real_scores, fake_scores
    scale = torch.cat([real_scores, fake_scores]).std() + 1e-12
    return real_scores[:, None] / scale, fake_scores[:, None] / scale

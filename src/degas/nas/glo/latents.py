"""One latent per image, in the unit ℓ2 ball: start, step, projection, and the Gaussian fitted to them.

The optimiser is row-wise: each row has its own moments and step count, and rows outside the batch do not change by a
single bit. A dense Adam would move other rows by momentum; torch's SparseAdam has one step count for all rows in its
bias correction and overshoots rows that are visited late.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

import numpy as np
import torch
from torch import Tensor

from degas.nas.glo.pca import whitened_scores

BETAS = (0.9, 0.999)  # Adam's own defaults (our choice)
EPS = 1e-8


def project(rows: Tensor) -> Tensor:
    """Scale rows (N, d) longer than 1 to length 1; the others do not change.

    A row whose length overflows becomes NaN, not 0: a diverged run must not look healthy.
    """
    lengths = rows.norm(dim=1, keepdim=True)
    return torch.where(lengths.isfinite(), rows / lengths.clamp(min=1.0), torch.nan)


def random_latents(n: int, size: int, generator: torch.Generator) -> Tensor:
    """(n, size) float32, uniform directions on the unit sphere: N(0, I) scaled to length 1, as in GLO's code."""
    rows = torch.randn(n, size, generator=generator)
    return rows / rows.norm(dim=1, keepdim=True)


def pca_latents(images: np.ndarray, size: int, generator: torch.Generator) -> Tensor:
    """(N, size) float32: whitened principal components of uint8 images (N, C, H, W), divided by √size, projected.

    Each kept component has variance 1/size over the images, so that all dimensions of the ball are used; raw scores
    would all be on the sphere, with about ten effective dimensions. Directions beyond the rank of the data are filled
    with N(0, 1/size).
    """
    scores = torch.from_numpy(whitened_scores(images.reshape(len(images), -1), size, generator)).float()
    return latents_of_scores(scores, size, generator)


def latents_of_raw_scores(scores: Tensor, size: int) -> Tensor:
    """(N, size) float32: principal components `scores` (N, k ≤ size) of images, as they are and projected.

    For pixels in [−1, 1], as in minimal_glo's code. Nearly all rows are longer than 1 and so end on the sphere, with
    about ten effective dimensions. Directions beyond the rank of the data are 0.
    """
    rows = torch.zeros(len(scores), size)
    rows[:, : scores.shape[1]] = scores / 127.5
    return project(rows)


def latents_of_scores(scores: Tensor, size: int, generator: torch.Generator) -> Tensor:
    """(N, size) float32: `pca_latents` of images with whitened principal components `scores` (N, k ≤ size)."""
    filling = torch.randn(len(scores), size - scores.shape[1], generator=generator)
    return project(torch.cat([scores, filling], dim=1) / size**0.5)


class LatentTable:
    """The latents `rows` (N, d) on a device, and the moments of their optimiser.

    Args:
        rows: initial latents, float (N, d); copied.
        optimizer: `adam` (row-wise) or `sgd` (plain, no momentum: a row's last gradient is an epoch old).

    Attributes:
        distances: with `sgd`, the total distance that each row has moved, (N,); with `adam` the moments show it.
    """

    def __init__(self, rows: Tensor, optimizer: str = "adam") -> None:
        if optimizer not in ("adam", "sgd"):
            raise ValueError(f"unknown latent optimiser {optimizer!r}")
        self.rows = rows.detach().clone()
        self.optimizer = optimizer
        adam = optimizer == "adam"
        self.first_moment = torch.zeros_like(self.rows) if adam else None
        self.second_moment = torch.zeros_like(self.rows) if adam else None
        self.num_steps = torch.zeros(len(rows), dtype=torch.int64, device=rows.device) if adam else None
        self.distances = None if adam else torch.zeros(len(rows), device=rows.device)

    def batch(self, index: Tensor) -> Tensor:
        """A copy of the rows `index` (B,): (B, d), a leaf that requires a gradient."""
        return self.rows[index].requires_grad_()

    @torch.no_grad()
    def step(self, index: Tensor, gradient: Tensor, lr: float | Tensor) -> None:
        """Move the rows `index` (B,), all different, against `gradient` (B, d) and project them to the unit ball."""
        if self.first_moment is None or self.second_moment is None or self.num_steps is None:
            self._step_plainly(index, gradient, lr)
            return
        steps = self.num_steps[index] + 1  # (B,)
        first = self.first_moment[index].lerp_(gradient, 1 - BETAS[0])  # (B, d)
        second = self.second_moment[index].lerp_(gradient.square(), 1 - BETAS[1])  # (B, d)
        self.num_steps[index], self.first_moment[index], self.second_moment[index] = steps, first, second
        count = steps.to(self.rows.dtype)[:, None]  # (B, 1)
        first_corrected = first / (1 - BETAS[0] ** count)
        second_corrected = second / (1 - BETAS[1] ** count)
        self.rows[index] = project(self.rows[index] - lr * first_corrected / (second_corrected.sqrt() + EPS))

    def _step_plainly(self, index: Tensor, gradient: Tensor, lr: float | Tensor) -> None:
        assert self.distances is not None
        before = self.rows[index]  # (B, d)
        after = project(before - lr * gradient)
        self.rows[index] = after
        self.distances[index] += (after - before).norm(dim=1)

    def state_dict(self) -> dict[str, Tensor]:
        names = ("rows", "first_moment", "second_moment", "num_steps", "distances")
        return {name: getattr(self, name) for name in names if getattr(self, name) is not None}

    def load_state_dict(self, state: Mapping[str, Tensor]) -> None:
        unknown = {"distances": torch.tensor(torch.inf)}  # degas 0.1.0 did not save them: then no row counts as still
        for name, value in self.state_dict().items():
            value.copy_((unknown | dict(state))[name])


@dataclass(frozen=True)
class LatentGaussian:
    """N(mean, factor·factorᵀ) fitted to latents; samples are projected to the unit ball, like latents."""

    mean: Tensor  # (d,)
    factor: Tensor  # (d, d)

    @classmethod
    def fit(cls, rows: Tensor) -> LatentGaussian:
        """Fit mean and covariance of the rows (N, d); the symmetric square root also works for a deficient rank."""
        wide = rows.detach().cpu().double()
        centred = wide - wide.mean(0)
        variances, directions = torch.linalg.eigh(centred.T @ centred / max(len(wide) - 1, 1))
        return cls(wide.mean(0), directions * variances.clamp(min=0).sqrt())

    def sample(self, n: int, generator: torch.Generator) -> Tensor:
        """(n, d) float32 on the CPU."""
        noise = torch.randn(n, len(self.mean), generator=generator, dtype=torch.float64)
        return project(self.mean + noise @ self.factor.T).float()

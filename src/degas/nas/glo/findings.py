"""Checks for a GLO fit that fails without an error: reconstructions that look alike, latents that never move.

The limits are our choice, wide enough to avoid false alarms.
"""

from __future__ import annotations

import statistics
from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np
import torch
from torch import Tensor

from degas.data.loader import Batches
from degas.data.pixels import to_symmetric
from degas.nas.glo.latents import LatentTable
from degas.nas.signal import Finding, Signal
from degas.nets.normalisation import frozen_buffers

NUM_COMPARED = 64  # images whose reconstructions are compared
SAME_ROW = 1e-6  # a latent that moved by less in total has not moved
COLLAPSED_SHARE = 0.05  # of the data's variance
BEGUN_STEPS = 100
DEAD_SHARE = 0.05  # of the latents
FADED_GRADIENT = 1e-4  # of the largest mean of an epoch


def collapsed(real_variance: float, fake_variance: float, *, num_steps: int, mend: str) -> Finding | None:
    """A finding if reconstructions are nearly equal: their variance over images, averaged over pixels, is small.

    A search of fewer than 100 steps is not judged: it starts with flat images.
    """
    if num_steps < BEGUN_STEPS or real_variance <= 0.0 or fake_variance >= COLLAPSED_SHARE * real_variance:
        return None
    what = f"they differ by {100 * fake_variance / real_variance:.1f} % of the originals' variance, so all look alike"
    return Finding("collapse", "reconstructions", what, mend)


def dead_latents(num_dead: int, num_latents: int, gradients: Sequence[float], mend: str) -> Finding | None:
    """A finding if latents never had a gradient, or if the gradient of all has vanished.

    `gradients`: the mean norm of a latent's gradient, one value per epoch, all finite (the search checks that).
    """
    most = max(gradients, default=0.0)
    if gradients and gradients[-1] <= FADED_GRADIENT * most:
        what = f"their gradient has vanished: {gradients[-1]:.1e} in the last epoch, {most:.1e} at its largest"
        return Finding("dead-latents", "latents", what, mend)
    if num_latents and num_dead > DEAD_SHARE * num_latents:
        what = f"{num_dead:,} of {num_latents:,} never moved"
        return Finding("dead-latents", "latents", what, mend)
    return None


@torch.no_grad()
def variances(signal: Signal) -> tuple[float, float]:
    """Mean variance over images of originals and of their reconstructions, by batch statistics; buffers stay fixed."""
    index = (
        np.linspace(0, signal.images.num_images - 1, min(NUM_COMPARED, signal.images.num_images)).round().astype(int)
    )
    latents = signal.inputs(torch.from_numpy(index))
    with frozen_buffers(signal.network), signal.engine.autocast():
        fake_images = signal.network(latents).float()  # (n, C, H, W)
    real_images = to_symmetric(torch.from_numpy(signal.images.images[index]))
    return _variance(real_images), _variance(fake_images)


def _variance(images: Tensor) -> float:
    """Mean over pixels of the variance over images (N, C, H, W)."""
    return float(images.double().var(dim=0, correction=0).mean())


def still_latents(table: LatentTable, batches: Batches, num_steps: int) -> tuple[int, int]:
    """(Number of visited latents that did not move, number of visited latents)."""
    visited = torch.zeros(len(table.rows), dtype=torch.bool, device=table.rows.device)
    if table.num_steps is not None and table.second_moment is not None:
        visited = table.num_steps > 0
        still = (table.second_moment == 0).all(dim=1)
    else:
        for step in range(min(num_steps, batches.steps_per_epoch)):  # one epoch shows which latents are visited
            visited[batches(step).index.to(visited.device)] = True
        assert table.distances is not None
        still = table.distances < SAME_ROW
    return int((still & visited).sum()), int(visited.sum())


def mean_gradients(metrics: Sequence[Mapping[str, Any]]) -> list[float]:
    """Mean logged norm of a latent's gradient, per epoch."""
    by_epoch: dict[int, list[float]] = {}
    for record in metrics:
        by_epoch.setdefault(record["epoch"], []).append(record["latent_gradient_norm"])
    return [statistics.fmean(norms) for norms in by_epoch.values()]

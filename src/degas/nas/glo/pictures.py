"""Pictures of a GLO fit: reconstructions, and new images from the distribution of its latents."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import torch
from torch import Tensor

from degas.data.pixels import to_uint8
from degas.figures.grids import save_grid
from degas.nas.glo.latents import LatentGaussian
from degas.nas.signal import Signal
from degas.runtime.rng import torch_generator

COLUMNS = 16


@torch.no_grad()
def save_reconstructions(signal: Signal, path: Path, num_images: int = 32) -> None:
    """Write a row of originals above their reconstructions, for images evenly spread over the set.

    Batch norms must be recalibrated first.
    """
    num_images = min(num_images, signal.images.num_images)
    index = np.linspace(0, signal.images.num_images - 1, num_images).round().astype(int)
    signal.network.eval()
    fake_images = to_uint8(signal.network(signal.inputs(torch.from_numpy(index)))).cpu().numpy()  # (n, C, H, W)
    signal.network.train()
    rows = stacked_rows(signal.images.images[index], fake_images)
    save_grid(rows, path, columns=min(COLUMNS, num_images))


def stacked_rows(real_images: np.ndarray, fake_images: np.ndarray) -> np.ndarray:
    """Rows of originals (n, C, H, W), each above the row of its reconstructions, the last ones filled with white."""
    num_images = len(real_images)
    rows: list[np.ndarray] = []
    for start in range(0, num_images, COLUMNS):
        for images in (real_images, fake_images):
            row = images[start : start + COLUMNS]
            blank = np.full((min(COLUMNS, num_images) - len(row), *row.shape[1:]), 255, dtype=np.uint8)
            rows += [row, blank]
    return np.concatenate(rows)


@torch.no_grad()
def save_samples(signal: Signal, latents: Tensor, path: Path, num_images: int = 64) -> None:
    """Write new images for latents from a Gaussian fitted to `latents` (N, d), projected like them."""
    generator = torch_generator(signal.seed, "glo samples")
    noise = LatentGaussian.fit(latents).sample(num_images, generator).to(signal.engine.device)
    signal.network.eval()
    images = to_uint8(signal.network(noise)).cpu()
    signal.network.train()
    save_grid(images, path, columns=COLUMNS)

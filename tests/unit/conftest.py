"""Small image sets and settings that the tests of the search and of its measurements share."""

from __future__ import annotations

from collections.abc import Callable

import numpy as np
import pytest

from degas.data.image_set import ImageSet, content_fingerprint
from degas.settings.sections import SearchSettings


def blobs(num_images: int, size: int, channels: int, seed: int = 0) -> np.ndarray:
    """Soft discs on a shaded ground: few degrees of freedom, so that a tiny network can learn them. uint8."""
    rng = np.random.default_rng(seed)
    y, x = np.mgrid[0:size, 0:size] / (size - 1)
    images = np.empty((num_images, channels, size, size))
    for image in images:
        cx, cy, r = [*rng.uniform(0.25, 0.75, 2).tolist(), rng.uniform(0.15, 0.35)]
        disc = 1 / (1 + np.exp((np.hypot(x - cx, y - cy) - r) * 20))
        for channel in range(channels):
            image[channel] = rng.uniform(0, 60) + rng.uniform(80, 190) * disc
    return images.round().astype(np.uint8)


@pytest.fixture(scope="session")
def make_images() -> Callable[..., ImageSet]:
    def make(num_images: int = 24, size: int = 8, channels: int = 3, seed: int = 0) -> ImageSet:
        pixels = blobs(num_images, size, channels, seed)
        return ImageSet(pixels, None, (), "blobs", content_fingerprint(pixels, None, ()))

    return make


@pytest.fixture(scope="session")
def make_settings() -> Callable[..., SearchSettings]:
    def make(**changes: object) -> SearchSettings:
        small = {"width": 4, "noise_size": 6, "num_epochs": 2, "batch_images": 8, "log_steps": 2, "plateau_share": 0.0}
        small["prune"], small["schedule"] = "paper", "alternate"  # by α, in steps of its own, as most tests are about
        return SearchSettings(**{**small, **changes})

    return make

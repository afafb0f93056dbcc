"""A tiny extractor with obvious features, and tiny image sets."""

from __future__ import annotations

from collections.abc import Callable

import numpy as np
import pytest
from tiny_extractor import TinyExtractor

from degas.data.image_set import ImageSet, content_fingerprint
from degas.evaluation.extractors.base import Extractor, freeze


@pytest.fixture
def tiny() -> Extractor:
    return freeze(TinyExtractor())


@pytest.fixture
def make_images() -> Callable[..., ImageSet]:
    """Random blobs: (count, channels, size, seed) → ImageSet."""

    def make(count: int = 40, channels: int = 3, size: int = 8, seed: int = 0) -> ImageSet:
        rng = np.random.default_rng(seed)
        base = rng.integers(0, 200, (count, channels, 1, 1))
        images = (base + rng.integers(0, 56, (count, channels, size, size))).astype(np.uint8)
        return ImageSet(images, None, (), "made", content_fingerprint(images, None, ()))

    return make

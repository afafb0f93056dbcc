"""The reference of every score: statistics of the training images, and of the two parts that give the floor.

**Reference.** All training images, or 50,000 of a larger set, drawn with a fixed seed (the number of published scores).
It does not depend on the number of samples, so the bias of a score with few samples comes only from the samples.

**Floor.** The images are in a fixed random order. The first m = min(num_samples, half of them) take the place of the
samples, the others that of the reference. A generator that has learnt the data perfectly would score about this. If the
set has fewer than twice `num_samples` images, both parts are smaller than the score's own sets, and the floor is
somewhat too high.
"""

from __future__ import annotations

import warnings
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import TYPE_CHECKING, NamedTuple

import numpy as np
import torch
from torch import Tensor

from degas.evaluation.extractors.base import Extractor
from degas.evaluation.statistics import Collected, cache_key, collect, extract, load_cached, merged, save_cached
from degas.runtime.rng import numpy_generator

if TYPE_CHECKING:
    from degas.data.image_set import ImageSet

MAX_REFERENCE_IMAGES = 50_000


class Reference(NamedTuple):
    """Statistics of all reference images, and of the floor's two disjoint parts (None without a floor)."""

    everything: Collected
    floor_fake: Collected | None
    floor_real: Collected | None

    def without_floor(self) -> Reference:
        return Reference(self.everything, None, None)


def reference_order(num_images: int) -> np.ndarray:
    """Rows of the reference in a fixed random order, equal for all seeds and runs: int64 (min(N, 50,000),)."""
    return numpy_generator(0, "reference order").permutation(num_images)[:MAX_REFERENCE_IMAGES]


def num_reference_images(num_images: int) -> int:
    """Return the number of images of a set that the reference uses."""
    return min(num_images, MAX_REFERENCE_IMAGES)


def num_floor_images(num_images: int, num_samples: int) -> int:
    """m, the number of real images that take the place of samples."""
    return min(num_samples, num_reference_images(num_images) // 2)


def image_chunks(images: np.ndarray, rows: np.ndarray, chunk_images: int) -> Iterator[Tensor]:
    """The given rows of uint8 images (N, C, H, W) as tensors of at most `chunk_images`; the array may be a memmap."""
    for start in range(0, len(rows), chunk_images):
        # The copy separates the chunk from a read-only memory map.
        yield torch.from_numpy(np.array(images[rows[start : start + chunk_images]]))


def reference_statistics(
    images: ImageSet,
    extractor: Extractor,
    *,
    num_floor: int,
    chunk_images: int = 64,
    device: torch.device | str = "cpu",
    cache: Path | None = None,
    tick: Callable[[int], None] | None = None,
) -> Reference:
    """The statistics from the cache, else computed and cached. `num_floor` = 0: no floor.

    `tick` gets the number of images that each step finished; none if the statistics are cached.
    """
    found = None if cache is None else cached_reference(images, extractor, num_floor=num_floor, cache=cache)
    if found is not None:
        return found
    order = reference_order(images.num_images)
    parts = {
        name: collect(
            extract(extractor, image_chunks(images.images, rows, chunk_images), device, tick),
            extractor.num_features,
        )
        for name, rows in (("first", order[:num_floor]), ("rest", order[num_floor:]))
    }
    if cache is not None:
        _keep(_cached_path(images, extractor, num_floor, cache), parts)
    return _reference(parts, num_floor)


def cached_reference(images: ImageSet, extractor: Extractor, *, num_floor: int, cache: Path) -> Reference | None:
    """The statistics from the cache folder; None if it has none of these images, extractor and split."""
    parts = load_cached(_cached_path(images, extractor, num_floor, cache))
    return None if parts is None or set(parts) != {"first", "rest"} else _reference(parts, num_floor)


def _cached_path(images: ImageSet, extractor: Extractor, num_floor: int, cache: Path) -> Path:
    """Return the cache's file, named by the data's fingerprint, the extractor's card (with its weights), the split."""
    number = num_reference_images(images.num_images)
    key = cache_key(data=images.fingerprint, extractor=extractor.card, images=number, floor=num_floor)
    return cache / "statistics" / f"{key}.safetensors"


def _reference(parts: dict[str, Collected], num_floor: int) -> Reference:
    everything = merged(parts["first"], parts["rest"])
    return Reference(everything, *((parts["first"], parts["rest"]) if num_floor else (None, None)))


def _keep(path: Path, parts: dict[str, Collected]) -> None:
    """Cache the statistics; a full or read-only disk costs time at the next start, but not this result."""
    try:
        save_cached(path, parts)
    except OSError as error:
        warnings.warn(f"reference statistics are not cached in {path.parent}: {error}", stacklevel=3)

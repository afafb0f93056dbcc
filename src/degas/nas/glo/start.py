"""The initial latents of a fit. If principal components do not depend on the seed, a process finds them only once."""

from __future__ import annotations

from weakref import WeakKeyDictionary

import torch
from torch import Tensor

from degas.data.image_set import ImageSet
from degas.nas.glo.latents import latents_of_raw_scores, latents_of_scores, random_latents
from degas.nas.glo.pca import EXACT_SIZE, whitened_scores, whitened_scores_on
from degas.runtime.rng import torch_generator

_found: WeakKeyDictionary[ImageSet, tuple[tuple[int, str, bool], Tensor]] = WeakKeyDictionary()


def first_latents(images: ImageSet, init: str, size: int, seed: int, device: torch.device) -> Tensor:
    """(N, size) float32 on the CPU: `random`, `pca` or `pca-raw`, computed on `device` if that is a GPU."""
    generator = torch_generator(seed, "latents")
    if init == "random":
        return random_latents(images.num_images, size, generator)
    scores = _principal_scores(images, size, generator, device, whiten=init == "pca")
    return latents_of_scores(scores, size, generator) if init == "pca" else latents_of_raw_scores(scores, size)


def _principal_scores(
    images: ImageSet, size: int, generator: torch.Generator, device: torch.device, *, whiten: bool
) -> Tensor:
    """(N, k ≤ size) float32 on the CPU: principal components, whitened or in grey levels.

    On the CPU the subspace iteration for large images starts with directions drawn from the seed's generator, so that
    components of seeds differ by rounding and the iteration's accuracy. On a GPU all seeds share one draw.
    """
    flat = images.images.reshape(images.num_images, -1)  # (N, C·H·W)
    on_gpu = device.type == "cuda"
    if not on_gpu and flat.shape[1] > EXACT_SIZE:
        return torch.from_numpy(whitened_scores(flat, size, generator, whiten=whiten)).float()
    key = (size, device.type, whiten)
    found = _found.get(images)
    if found is None or found[0] != key:
        if on_gpu:
            shared = torch_generator(0, "principal components")
            scores = whitened_scores_on(device, flat, size, shared, whiten=whiten).float().cpu()
        else:
            scores = torch.from_numpy(whitened_scores(flat, size, generator, whiten=whiten)).float()
        found = _found[images] = (key, scores)
    return found[1]

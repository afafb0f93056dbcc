"""What an evaluation spends its time on, as calls without arguments: features of a batch, and the Fréchet distance."""

from __future__ import annotations

from collections.abc import Callable

import torch
from torch import Tensor

from degas.evaluation.extractors.base import freeze
from degas.evaluation.extractors.imagenet import NUM_FEATURES, ImagenetExtractor
from degas.evaluation.metrics import frechet_distance
from degas.evaluation.statistics import FORWARD_IMAGES
from degas.runtime.rng import forked_rng


def extraction(
    resize_pixels: int, *, folded: bool, image_size: int, seed: int, device: torch.device
) -> Callable[[], object]:
    """The offline extractor on one batch. Its weights are random, which does not affect speed."""
    with forked_rng(seed, "benchmark extractor"):
        extractor = ImagenetExtractor(resize_pixels, trained=False)
    if folded:
        extractor.network.fold()
    frozen = freeze(extractor).to(device)
    random = torch.Generator().manual_seed(seed)
    shape = (FORWARD_IMAGES, 3, image_size, image_size)
    images = torch.randint(0, 256, shape, generator=random, dtype=torch.uint8).to(device)
    return torch.no_grad()(lambda: frozen(images))


def frechet_calls(seed: int) -> dict[str, Callable[[], object]]:
    """`ours`, and `plain` by the eigenvalues of the product of the covariances."""
    parts = _gaussians(NUM_FEATURES, seed)

    def plain() -> float:
        mean_a, cov_a, mean_b, cov_b = parts
        trace = torch.linalg.eigvals(cov_a @ cov_b).sqrt().real.sum()
        return float((mean_a - mean_b).square().sum() + cov_a.trace() + cov_b.trace() - 2 * trace)

    return {"ours": lambda: frechet_distance(*parts), "plain": plain}


def _gaussians(num_features: int, seed: int) -> tuple[Tensor, Tensor, Tensor, Tensor]:
    """Mean and covariance of two sets of correlated features, float64."""
    random = torch.Generator().manual_seed(seed)
    parts: list[Tensor] = []
    for _ in range(2):
        rows = torch.randn(3 * num_features, num_features, generator=random, dtype=torch.float64)
        parts += [rows.mean(0), rows.T.cov()]
    return parts[0], parts[1], parts[2], parts[3]

"""A term of the reconstruction loss on features instead of pixels, from the ImageNet extractor's network.

It is like LPIPS (Zhang et al. 2018) without learned weights: maps are scaled to unit length over channels at every
pixel, and their squared distance is averaged. It uses only early maps, at 64 px: the whole network in every step would
multiply the cost of a fit.
"""

from __future__ import annotations

from typing import Any

import torch
import torch.nn.functional as F
from torch import Tensor

from degas.data.image_set import ImageSet
from degas.evaluation.extractors.base import to_colour
from degas.evaluation.extractors.build import build_extractor
from degas.evaluation.extractors.imagenet import EfficientNetLite0, ImagenetExtractor
from degas.nas.glo.standalone import alone, fit
from degas.settings.sections import EvaluateSettings, SearchSettings
from degas.space.architecture import Architecture

PIXELS = 64  # side of the network's input; our choice
BLOCKS = (1, 3, 5)  # ends of the network's first three stages: maps at 1/2, 1/4 and 1/8 of that size


class FeatureTerm:
    """fakes, reals (N, C, H, W) in [−1, 1] → `features`, a scalar from 0 (equal) to 4 (opposite)."""

    def __init__(self, network: EfficientNetLite0) -> None:
        self.network = network

    def __call__(self, fake_images: Tensor, real_images: Tensor) -> dict[str, Tensor]:
        with torch.no_grad():
            wanted = self._maps(real_images)
        distances = [
            (fake - real).square().sum(dim=1).mean() for fake, real in zip(self._maps(fake_images), wanted, strict=True)
        ]
        return {"features": torch.stack(distances).mean()}

    def _maps(self, images: Tensor) -> list[Tensor]:
        x = F.interpolate(images, size=(PIXELS, PIXELS), mode="bilinear", antialias=True)
        x = to_colour((127.5 * (x + 1) - 127) / 128)  # the extractor's own scaling
        return [F.normalize(part, dim=1) for part in self.network.maps(x, BLOCKS)]


def feature_term(device: torch.device) -> FeatureTerm:
    """The term with the trained network; `UserError` if its weights are missing."""
    extractor = build_extractor(EvaluateSettings(extractor="imagenet"), device)
    assert isinstance(extractor, ImagenetExtractor)
    return FeatureTerm(extractor.network)


def fit_with_features(
    architecture: Architecture, images: ImageSet, settings: SearchSettings, term: FeatureTerm, **options: Any
) -> float:
    """`standalone.fit_alone` with the feature term added to the loss, in the fit and in the result."""
    glo, batches = alone(architecture, images, settings, **options)
    glo.further_terms = term
    fit(glo, batches)
    glo.recalibrate()
    return glo.mean_loss()

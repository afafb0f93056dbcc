"""An extractor with obvious features, for tests that are not about networks."""

from __future__ import annotations

from typing import Any

import torch
from torch import Tensor

from degas.evaluation.extractors.base import Extracted, Extractor


class TinyExtractor(Extractor):
    """Six random projections of the colour means and their squares; logits for five classes."""

    name = "tiny"
    num_features = 6

    def __init__(self, inception_score: bool = False, classifier_score: bool = False) -> None:
        super().__init__()
        self.has_inception_score, self.has_classifier_score = inception_score, classifier_score
        generator = torch.Generator().manual_seed(3)
        self.register_buffer("matrix", torch.randn(48, 6, generator=generator))
        self.seen: list[tuple[int, ...]] = []

    def facts(self) -> dict[str, Any]:
        return {"network": "tiny"}

    def prepare(self, images: Tensor) -> Tensor:
        self.seen.append(tuple(images.shape))
        return torch.nn.functional.adaptive_avg_pool2d(images.float() / 64 - 2, 4).expand(-1, 3, -1, -1)

    def extract(self, prepared: Tensor) -> Extracted:
        features = torch.tanh(prepared.flatten(1) @ self.matrix)
        return Extracted(features, features[:, :5] * 4)

"""The extractor that settings name, with its weights."""

from __future__ import annotations

from typing import Any

import torch

from degas.errors import UserError
from degas.evaluation.extractors.base import Extractor, freeze
from degas.settings.sections import EvaluateSettings


def evaluate_config(settings: EvaluateSettings) -> dict[str, Any]:
    """The settings as in a training's config.json, with the classifier's fingerprint if the extractor is one.

    An unreadable classifier has no fingerprint; loading it later reports why.
    """
    record = settings.model_dump(mode="json")
    if settings.extractor != "classifier" or settings.classifier is None:
        return record
    from degas.evaluation.extractors.classifier import ClassifierExtractor

    try:
        return {**record, "classifier_fingerprint": ClassifierExtractor.load(settings.classifier).fingerprint}
    except UserError:
        return record


def build_extractor(settings: EvaluateSettings, device: torch.device | str = "cpu") -> Extractor:
    """The extractor that `settings` name, frozen, on `device`; raises `UserError` if its weights are missing."""
    # Imported here: each import loads its own network, and two of the three are not needed.
    if settings.extractor == "imagenet":
        from degas.evaluation.extractors.imagenet import ImagenetExtractor

        return freeze(ImagenetExtractor(settings.resize_pixels)).to(device)
    if settings.extractor == "inception":
        from degas.evaluation.extractors.inception import InceptionExtractor, find_weights

        return freeze(InceptionExtractor.from_file(find_weights(settings.inception_weights))).to(device)
    from degas.evaluation.extractors.classifier import ClassifierExtractor

    if settings.classifier is None:
        raise UserError(
            "--evaluate.classifier: the classifier extractor needs a folder written by "
            "`degas features train --data SRC --out FOLDER`; make one, or use --evaluate.extractor imagenet"
        )
    return freeze(ClassifierExtractor.load(settings.classifier)).to(device)

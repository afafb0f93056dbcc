"""The settings of an evaluation. Knows no torch and no stage."""

from __future__ import annotations

from pathlib import Path
from typing import Literal

from degas.settings.base import BatchImages, Positive, Settings, setting

Extractor = Literal["inception", "imagenet", "classifier"]


class EvaluateSettings(Settings):
    """The evaluation of a generator: paper §4, docs/equations.md."""

    extractor: Extractor = setting("imagenet", "feature network", source="our choice; paper §4: inception")
    num_samples: Positive = setting(5000, "generated images", source="our choice; paper §4: 50,000")
    resize_pixels: Literal[128, 224] = setting(128, "input size of the imagenet extractor")
    batch_images: BatchImages = setting(
        64,
        "training images read at a time; scores do not depend on it, since a forward pass always has 16",
        decides=False,
    )
    inception_weights: Path | None = setting(
        None, "the 2015-12-05 weights as a .pth file; default: the usual cache folder", decides=False
    )
    classifier: Path | None = setting(None, "folder written by `degas features train`; default: none")
    floor: bool = setting(True, "also score real images against real images, the best value to expect")
    untrained: bool = setting(
        True, "also score the same generator untrained: the distance at which it began", decides=False
    )
    splits: Positive = setting(10, "splits of the Inception Score", source="paper §4")

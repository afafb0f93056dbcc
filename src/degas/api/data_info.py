"""The output of `degas data info`: the facts of a source, and problems for the stages."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np

from degas.data.image_set import ImageSet
from degas.data.inspect import describe_source
from degas.errors import UserError
from degas.evaluation.evaluate import check_counts
from degas.gan.checks import check_images
from degas.gan.settings import resolve_gan
from degas.nas.checks import check_search
from degas.settings.sections import DataSettings, EvaluateSettings, GanSettings, SearchSettings, SpaceSettings


def describe_data(source: str, settings: DataSettings, grid: Path | None = None) -> dict[str, Any]:
    """`describe_source`, plus the problems that stages would have: errors, and too few images to learn from."""
    facts = describe_source(source, settings, grid)
    num_images, channels, size = facts["num_readable"], facts["channels"], facts["image_size"]
    pixels = np.broadcast_to(np.uint8(0), (num_images, channels, size, size))  # only the shape matters
    images = ImageSet(pixels, None, (), source, "")
    gan, fewest = resolve_gan(GanSettings()), EvaluateSettings().num_samples
    checks: dict[str, Callable[[], None]] = {
        "search": lambda: check_search(SearchSettings(), SpaceSettings(), image_size=size, channels=channels),
        "training": lambda: check_images(images, gan),
        "evaluation": lambda: check_counts(fewest, images),
    }
    for stage, check in checks.items():
        try:
            check()
        except UserError as error:
            facts["problems"].append(_problem("refused", num_images, f"would be rejected by {stage}: {error}"))
    if num_images < gan.batch_images:
        heart = f"are fewer than a batch of {gan.batch_images}: the critic would memorise them"
        facts["problems"].append(_problem("few", num_images, heart))
    return facts


def _problem(kind: str, count: int, text: str) -> dict[str, Any]:
    return {"kind": kind, "count": count, "text": text, "examples": []}

"""Scores of a generator as the few numbers of a trial's record; the extractor is loaded when first needed."""

from __future__ import annotations

from pathlib import Path
from typing import Any

from degas.data.image_set import ImageSet
from degas.evaluation.evaluate import Evaluator
from degas.evaluation.extractors.base import Extractor
from degas.generator.generator import Generator
from degas.settings.sections import EvaluateSettings

METRICS = ("fid", "kid", "precision", "recall")


class Scorer:
    """`scorer(generator)` → `fid`, `kid`, `kid_std`, `precision`, `recall`, against the training images.

    A measurement with all trials finished never loads an extractor. Samples use the noise of `seed`, the same for every
    generator of equal noise size. `cache`: folder of reference statistics, or None.
    """

    def __init__(
        self,
        images: ImageSet,
        settings: EvaluateSettings,
        *,
        device: Any = "auto",
        cache: Path | None = None,
        extractor: Extractor | None = None,
        seed: int = 0,
    ) -> None:
        self.images, self.seed = images, seed
        self.settings = settings.model_copy(update={"floor": False})  # the floor is the data's, not a trial's
        self._options = {"device": device, "cache": cache, "extractor": extractor}
        self._evaluator: Evaluator | None = None

    def __call__(self, generator: Generator) -> dict[str, float]:
        return self.scores(generator, self.settings.num_samples)

    def scores(self, generator: Generator, num_samples: int) -> dict[str, float]:
        """The scores of `num_samples` samples instead of the settings' number."""
        evaluator = self.ready()
        before = evaluator.settings
        evaluator.settings = before.model_copy(update={"num_samples": num_samples})
        try:
            found = evaluator.generator(generator, seed=self.seed, progress=False)["scores"]
        finally:
            evaluator.settings = before
        values = {name.split("_")[0]: entry for name, entry in found.items()}
        return {name: values[name]["value"] for name in METRICS} | {"kid_std": values["kid"]["std"]}

    def ready(self) -> Evaluator:
        """The evaluator, made at the first call."""
        if self._evaluator is None:
            self._evaluator = Evaluator(self.images, self.settings, **self._options)
        return self._evaluator

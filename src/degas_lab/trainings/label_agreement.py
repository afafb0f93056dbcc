"""Test whether a supervised generator follows its labels, and only because of them.

A classifier is trained on the true labels. Then the same architecture is trained twice as a conditional generator: with
the true labels, and with the labels shuffled among the images. For samples with labels as frequent as in the data, the
classifier should find the requested class in the first case, and in the second no more often than by chance.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np

from degas.data.image_set import ImageSet, content_fingerprint
from degas.errors import UserError
from degas.evaluation.evaluate import Evaluator
from degas.evaluation.extractors.classifier import ClassifierExtractor
from degas.evaluation.extractors.train_classifier import train_classifier
from degas.gan.fresh import fresh_generator
from degas.gan.settings import CompleteGan
from degas.generator.generator import Generator
from degas.runtime.distributed import Engine
from degas.runtime.rng import numpy_generator
from degas.settings.sections import EvaluateSettings
from degas.space.architecture import Architecture
from degas_lab.trainings.adversarial import check_scored, train_and_score
from degas_lab.trials import Trials


def label_agreement(
    architecture: Architecture,
    images: ImageSet,
    settings: CompleteGan,
    folder: Path,
    *,
    engine: Engine,
    seed: int = 0,
    num_samples: int = 1000,
    say: Callable[[str], None] = print,
) -> dict[str, dict[str, Any]]:
    """Train with true and with shuffled labels; return the record of each by name, with `agreement` (0…1).

    Args:
        architecture: at the images' size and channels.
        images: with labels.
        settings: complete (`gan.settings.resolve_gan`), supervised; `num_steps` steps are taken.
        folder: of the trials (`true.json`, `shuffled.json`) and of `classifier/`.
        num_samples: samples for the classifier, with labels as frequent as in the data.
    """
    if not images.num_classes:
        raise UserError(f"{images.source}: label agreement needs labels; sort the images into class folders")
    check_scored(settings)
    shared = {
        "data": images.identity,
        "architecture": architecture.to_dict(),
        "gan": settings.as_config(),
        "seed": seed,
        "num_samples": num_samples,
    }
    trials = Trials(folder, shared)
    for name, data in (("true", images), ("shuffled", shuffled_labels(images, seed))):

        def trial(data: ImageSet = data) -> dict[str, Any]:
            judge = _judge(images, folder / "classifier", num_samples, seed, engine)
            classes: dict[str, Any] = {"num_classes": images.num_classes, "class_names": images.class_names}
            generator = fresh_generator(architecture, settings, seed, **classes)
            marks = [settings.num_steps]
            return train_and_score(
                generator, data, settings, judge, marks=marks, unit="steps", seed=seed, engine=engine
            )

        record = trials.run(name, trial)
        share = record["history"][-1]["agreement"] if record["history"] else float("nan")
        say(f"{name:<9} labels: the classifier finds the requested class in {share:.1%} of samples")
    return trials.records()


def shuffled_labels(images: ImageSet, seed: int) -> ImageSet:
    """The same images with permuted labels: class counts stay, meaning is lost."""
    assert images.labels is not None
    labels: np.ndarray = numpy_generator(seed, "shuffled labels").permutation(images.labels)
    fingerprint = content_fingerprint(images.images, labels, images.class_names)
    return replace(images, labels=labels, fingerprint=fingerprint)


def _judge(
    images: ImageSet, folder: Path, num_samples: int, seed: int, engine: Engine
) -> Callable[[Generator], dict[str, float]]:
    """Generator → `agreement`, by a classifier for the true labels, and the classifier's `held_out_accuracy`.

    `confidence` and `distance` (Fréchet, in the classifier's features) beside it: a generator may exaggerate a class
    until every classifier finds it, and no image looks like the data any more.
    """
    if not (folder / "config.json").exists():
        train_classifier(images, folder, seed=seed, device=engine.device)
    extractor = ClassifierExtractor.load(folder)
    accuracy = float(extractor.facts()["held_out_accuracy"])
    settings = EvaluateSettings(extractor="classifier", classifier=folder, num_samples=num_samples, floor=False)
    evaluator = Evaluator(images, settings, device=engine.device, cache=None, extractor=extractor)

    def judge(generator: Generator) -> dict[str, float]:
        scores = evaluator.generator(generator, seed=seed, progress=False)["scores"]
        names = {"class_agreement": "agreement", "class_confidence": "confidence", "fid": "distance"}
        found = {
            ours: float(entry["value"])
            for metric, ours in names.items()
            for name, entry in scores.items()
            if name.startswith(f"{metric}_")
        }
        return {**found, "held_out_accuracy": accuracy}

    return judge

"""Scores of a generator, or of any images, against a data set: the object of scores.json."""

from __future__ import annotations

import warnings
from collections.abc import Callable, Iterable, Iterator
from contextlib import AbstractContextManager, nullcontext
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
import torch
from torch import Tensor

from degas.data.image_set import check_size
from degas.errors import Notice, UserError
from degas.evaluation.extractors.base import Extractor, device_of
from degas.evaluation.extractors.build import build_extractor
from degas.evaluation.progress import ImageProgress
from degas.evaluation.reference import (
    Reference,
    cached_reference,
    num_floor_images,
    num_reference_images,
    reference_statistics,
)
from degas.evaluation.scores import ClassScores, distance_scores
from degas.evaluation.statistics import collect, extract
from degas.runtime.fingerprint import fingerprint_of
from degas.runtime.names import composed
from degas.settings.sections import EvaluateSettings

if TYPE_CHECKING:
    from degas.data.image_set import ImageSet
    from degas.generator.generator import Generator

FEWEST_IMAGES = 8  # a floor needs two halves of four images, the least for precision and recall
Fakes = np.ndarray | Tensor | Iterable[Tensor]


SHORTER = "fewer samples (--evaluate.num-samples), which gives another score"


class Evaluator:
    """Holds extractor and reference statistics, so that evaluations during training compute them once.

    Raises `UserError` for too few samples or images, or if the extractor's weights are missing.

    `device`: "auto", "cpu", "cuda" or a torch device, for the extractor; the generator is not moved.
    `cache`: folder of cached reference statistics, or None.
    """

    def __init__(
        self,
        images: ImageSet,
        settings: EvaluateSettings,
        *,
        device: torch.device | str = "auto",
        cache: Path | None = None,
        extractor: Extractor | None = None,
    ) -> None:
        check_counts(settings.num_samples, images)
        if device == "auto":
            device = "cuda" if torch.cuda.is_available() else "cpu"
        self.device = torch.device(device) if extractor is None else device_of(extractor)
        self.images, self.settings, self.cache = images, settings, cache
        self.extractor = extractor or build_extractor(settings, self.device)
        self._references: dict[int, Reference] = {}  # by number of floor images

    def generator(self, generator: Generator, *, seed: int, progress: bool = True) -> dict[str, Any]:
        """Scores of `num_samples` samples `generator.images(n, seed)`; labels are as frequent as in the data."""
        check_size(self.images, generator)
        labels = _labels(generator, self.images, self.settings.num_samples, seed)
        samples = generator.images(self.settings.num_samples, seed, labels)
        wanted = _as_the_extractor_numbers_them(labels, generator, self.extractor)
        scores = self.fakes(samples, seed=seed, progress=progress, labels=wanted)
        facts = {"config": generator.config, "num_parameters": generator.num_parameters}
        return {**scores, "generator": {**facts, "weights": fingerprint_of(generator)}}

    def untrained(self, generator: Generator, *, seed: int, progress: bool = True) -> dict[str, Any]:
        """Scores of the same generator with fresh weights, by protocol; without the floors, which are the same."""
        from degas.generator.untrained import untrained_copy  # late: scoring images needs no networks

        with warnings.catch_warnings():  # `generator` has told it
            warnings.simplefilter("ignore", Notice)
            labels = _labels(generator, self.images, self.settings.num_samples, seed)
        samples = untrained_copy(generator, seed).images(self.settings.num_samples, seed, labels)
        scores: dict[str, Any] = self.fakes(samples, seed=seed, progress=progress, untrained=True)["scores"]
        return scores

    def fakes(
        self,
        fake: Fakes,
        *,
        seed: int = 0,
        progress: bool = True,
        labels: Tensor | None = None,
        untrained: bool = False,
    ) -> dict[str, Any]:
        """Scores of given images, with those of the floor unless there are none; see `evaluate_images`.

        `untrained`: the images are the untrained generator's, measured after the trained one's: no floor again.
        """
        num_samples = self.settings.num_samples
        if isinstance(fake, np.ndarray | Tensor):
            num_samples = min(num_samples, len(fake))
            fake = [torch.as_tensor(fake[:num_samples])]
        check_counts(num_samples, self.images)
        reference = self._known_reference(num_samples)
        num_reals = num_reference_images(self.images.num_images) if reference is None else 0
        with self._progress(progress, num_samples + num_reals, untrained) as tick:
            if reference is None:
                reference = self._new_reference(num_samples, tick)
            class_scores = ClassScores(self.extractor, num_samples, self.settings.splits, labels)
            stream = extract(self.extractor, _counted(fake, num_samples), self.device, tick)
            collected = collect(stream, self.extractor.num_features, class_scores.update)
        reference = reference.without_floor() if untrained else reference
        scores = distance_scores(collected, reference, self.extractor, seed) | class_scores.entries()
        return {"generator": "images", "data": self.images.identity, "seed": seed, "scores": scores}

    def _progress(
        self, show: bool, num_images: int, untrained: bool
    ) -> AbstractContextManager[Callable[[int], None] | None]:
        """A callback that takes the number of images that a step finished; None if nothing is shown."""
        if not show:
            return nullcontext(None)
        title = f"features ({self.extractor.name})"
        if untrained:
            return ImageProgress(f"{title} of the untrained generator", num_images, estimated=False)
        besides = "as many samples of the untrained generator" if self.settings.untrained else ""
        return ImageProgress(title, num_images, SHORTER, besides)

    def _num_floor(self, num_samples: int) -> int:
        return num_floor_images(self.images.num_images, num_samples) if self.settings.floor else 0

    def _known_reference(self, num_samples: int) -> Reference | None:
        """The reference if it costs no work: computed before, or cached."""
        num_floor = self._num_floor(num_samples)
        if num_floor not in self._references and self.cache is not None:
            found = cached_reference(self.images, self.extractor, num_floor=num_floor, cache=self.cache)
            if found is not None:
                self._references[num_floor] = found
        return self._references.get(num_floor)

    def _new_reference(self, num_samples: int, tick: Callable[[int], None] | None) -> Reference:
        num_floor = self._num_floor(num_samples)
        self._references[num_floor] = reference_statistics(
            self.images,
            self.extractor,
            num_floor=num_floor,
            chunk_images=self.settings.batch_images,
            device=self.device,
            cache=self.cache,
            tick=tick,
        )
        return self._references[num_floor]


def evaluate_generator(
    generator: Generator,
    images: ImageSet,
    settings: EvaluateSettings,
    *,
    seed: int,
    device: torch.device | str = "auto",
    cache: Path | None = None,
    progress: bool = True,
    extractor: Extractor | None = None,
) -> dict[str, Any]:
    """Scores of `settings.num_samples` samples against the training images `images` (paper §4, docs/equations.md).

    Returns plain JSON values in the layout of scores.json, with those of the same generator untrained where the
    settings ask for them. Raises `UserError` if generator and images differ in size, there are fewer than 8 samples or
    images, or the extractor's weights are missing.
    """
    evaluator = Evaluator(images, settings, device=device, cache=cache, extractor=extractor)
    scores = evaluator.generator(generator, seed=seed, progress=progress)
    if settings.untrained:
        scores["untrained"] = evaluator.untrained(generator, seed=seed, progress=progress)
    return scores


def evaluate_images(
    fake: Fakes,
    images: ImageSet,
    settings: EvaluateSettings,
    *,
    seed: int = 0,
    device: torch.device | str = "auto",
    cache: Path | None = None,
    progress: bool = True,
    extractor: Extractor | None = None,
    labels: Tensor | None = None,
) -> dict[str, Any]:
    """Scores of given images, uint8: an array (N, C, H, W), whose first `settings.num_samples` images count, or an
    iterable of chunks (n, C, H, W) with exactly that many images (else `ValueError`).

    `labels` (N,): the intended classes of the images, for `class_agreement` (classifier extractor only).
    """
    evaluator = Evaluator(images, settings, device=device, cache=cache, extractor=extractor)
    return evaluator.fakes(fake, seed=seed, progress=progress, labels=labels)


def _labels(generator: Generator, images: ImageSet, num_samples: int, seed: int) -> Tensor | None:
    """Labels as frequent as in the data: uniform labels would lower the scores of a perfect generator.

    None for an unconditional generator.
    """
    if not generator.num_classes:
        return None
    from degas.generator.generator import draw_labels  # late: scoring images needs no networks

    return draw_labels(num_samples, generator.num_classes, seed, _class_counts(generator, images))


def _class_counts(generator: Generator, images: ImageSet) -> list[int] | None:
    """Return the number of images in each of the generator's classes, by name; warn and return None if all are 0."""
    counts = [] if images.labels is None else np.bincount(images.labels, minlength=images.num_classes).tolist()
    if not generator.class_names and len(counts) == generator.num_classes:
        return counts
    known = {composed(name): count for name, count in zip(images.class_names, counts, strict=False)}
    found = [known.get(composed(name), 0) for name in generator.class_names]
    if any(found):
        return found
    why = "no labels" if images.labels is None else "none of the generator's classes"
    warnings.warn(f"labels are drawn uniformly, since {images.source} has {why}", Notice, stacklevel=4)
    return None


def _as_the_extractor_numbers_them(labels: Tensor | None, generator: Generator, extractor: Extractor) -> Tensor | None:
    """The generator's labels as the classifier's class numbers, matched by name; None if it lacks one of the classes.

    Two sources may list the same classes in different orders, so that numbers cannot be compared.
    """
    if labels is None or not extractor.class_names:
        return labels
    known = {composed(name): k for k, name in enumerate(extractor.class_names)}
    missing = [name for name in generator.class_names if composed(name) not in known]
    if missing or len(generator.class_names) < generator.num_classes:
        why = f"has no class {missing[0]!r}" if missing else "has named classes, but the generator's have no names"
        warnings.warn(f"class_agreement is left out: the classifier {why}", stacklevel=3)
        return None
    return torch.tensor([known[composed(name)] for name in generator.class_names])[labels]


def check_counts(num_samples: int, images: ImageSet) -> None:
    """Raise `UserError` if there are too few samples or images for a score."""
    for count, what in ((num_samples, "--evaluate.num-samples"), (images.num_images, images.source)):
        if count < FEWEST_IMAGES:
            raise UserError(f"{what}: {count} images are too few to measure; at least {FEWEST_IMAGES} are needed")


def _counted(chunks: Iterable[Tensor], num_samples: int) -> Iterator[Tensor]:
    """The chunks; raises `ValueError` unless they hold `num_samples` images in all."""
    seen = 0
    for chunk in chunks:
        seen += len(chunk)
        yield torch.as_tensor(chunk)
    if seen != num_samples:
        raise ValueError(f"evaluate: got {seen} images instead of {num_samples}")

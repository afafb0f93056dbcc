"""A generator, or any images, against a data set → the object of scores.json.

Protocol names: `fid_50k_train` is the metric, the number of samples (exact where it is no multiple of 1,000) and the
reference; the extractor follows in brackets unless it is Inception. `…_floor` beside a score is real against real.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator
from contextlib import AbstractContextManager, nullcontext
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
import torch
from torch import Tensor

from degas.config import EvaluateSettings
from degas.errors import UserError
from degas.evaluation import statistics
from degas.evaluation.features import Extractor, build_extractor, fingerprint_of
from degas.evaluation.metrics import Agreement, ClassScore, frechet_distance, kernel_distance, precision_recall
from degas.evaluation.reference import Reference, num_floor_images, reference_statistics
from degas.evaluation.statistics import Collected, collect, extract

if TYPE_CHECKING:
    from degas.data.sources import ImageSet
    from degas.nets.generator import Generator

FEWEST_IMAGES = 8  # a floor of two halves with four images each, what precision and recall need at least
NUM_SUBSETS, SUBSET_IMAGES = 100, 1000  # of KID, the convention of its authors' code
Fakes = np.ndarray | Tensor | Iterable[Tensor]


def evaluate_generator(
    generator: Generator,
    images: ImageSet,
    settings: EvaluateSettings,
    *,
    seed: int,
    device: torch.device | str = "cpu",
    cache: Path | None = None,
    progress: bool = True,
    extractor: Extractor | None = None,
) -> dict[str, Any]:
    """Scores of `settings.num_samples` samples (those of `generator.images(n, seed)`) against `images`.

    `extractor` saves building it anew for evaluations during training; it must be the one that `settings` name.
    Raises `UserError` where sizes do not fit or weights are missing. Returns plain JSON values.
    """
    if generator.image_size != images.image_size or generator.channels != images.channels:
        raise UserError(
            f"evaluate: the generator makes {generator.channels}×{generator.image_size} px images, the data has "
            f"{images.channels}×{images.image_size}; set --data.image-size and --data.channels to the generator's"
        )
    num_samples = settings.num_samples
    labels = _labels(generator, num_samples, seed)
    scores = evaluate_images(
        generator.images(num_samples, seed, labels),
        images,
        settings,
        seed=seed,
        device=device,
        cache=cache,
        progress=progress,
        extractor=extractor,
        labels=labels,
    )
    facts = {"config": generator.config, "num_parameters": generator.num_parameters}
    return {**scores, "generator": {**facts, "weights": fingerprint_of(generator)}}


def evaluate_images(
    fake: Fakes,
    images: ImageSet,
    settings: EvaluateSettings,
    *,
    seed: int = 0,
    device: torch.device | str = "cpu",
    cache: Path | None = None,
    progress: bool = True,
    extractor: Extractor | None = None,
    labels: Tensor | None = None,
) -> dict[str, Any]:
    """Scores of given images, uint8: an array (N, C, H, W), of which the first `settings.num_samples` are used, or an
    iterable of chunks (n, C, H, W) that holds exactly so many.

    `labels` (N,): the classes they were made for, for `class_agreement` (classifier extractor only).
    """
    num_samples = settings.num_samples
    if isinstance(fake, np.ndarray | Tensor):
        num_samples = min(num_samples, len(fake))
        fake = [torch.as_tensor(fake[:num_samples])]
    _check_counts(num_samples, images.num_images)
    extractor = extractor or build_extractor(settings, device)
    num_floor = num_floor_images(images.num_images, num_samples) if settings.floor else 0
    with _progress(progress, f"features ({extractor.name})", num_samples + min(images.num_images, 50_000)) as tick:
        reference = reference_statistics(
            images,
            extractor,
            num_floor=num_floor,
            chunk_images=settings.batch_images,
            device=device,
            cache=cache,
            tick=tick,
        )
        class_scores = _ClassScores(extractor, num_samples, settings.splits, labels)
        stream = extract(extractor, _counted(fake, num_samples), device, tick)
        collected = collect(stream, extractor.num_features, class_scores.update)
    scores = _scores(collected, reference, extractor, seed)
    scores |= class_scores.entries(extractor)
    data = {"source": images.source, "num_images": images.num_images, "fingerprint": images.fingerprint}
    return {"generator": "images", "data": data, "seed": seed, "scores": scores}


def count_name(num_images: int) -> str:
    """50000 → `50k`; 1797 → `1797`."""
    return f"{num_images // 1000}k" if num_images % 1000 == 0 else str(num_images)


def protocol_name(
    metric: str, num_samples: int, extractor: str, *, reference: str = "train", floor: bool = False
) -> str:
    """`fid_50k_train`, `fid_5k_train[imagenet]`, `fid_1797_train_floor[imagenet-224]`; `is_50k` with no reference."""
    words = [metric, count_name(num_samples), reference, "floor" if floor else ""]
    return "_".join(word for word in words if word) + ("" if extractor == "inception" else f"[{extractor}]")


class _ClassScores:
    """What logits give: Inception Score, or the classifier's score and agreement; nothing from ImageNet's network."""

    def __init__(self, extractor: Extractor, num_samples: int, num_splits: int, labels: Tensor | None) -> None:
        self.metric = "is" if extractor.has_inception_score else "classifier_score"
        self.wanted = extractor.has_inception_score or extractor.has_classifier_score
        self.num_samples, self.num_splits = num_samples, num_splits
        self.score: ClassScore | None = None
        self.agreement = Agreement(labels) if labels is not None and extractor.has_classifier_score else None

    def update(self, logits: Tensor) -> None:
        if not self.wanted:
            return
        if self.score is None:
            self.score = ClassScore(self.num_samples, logits.shape[1], self.num_splits)
        self.score.update(logits)
        if self.agreement is not None:
            self.agreement.update(logits)

    def entries(self, extractor: Extractor) -> dict[str, Any]:
        entries: dict[str, Any] = {}

        def add(metric: str, value: float, std: float | None, **more: Any) -> None:
            name = protocol_name(metric, self.num_samples, extractor.name, reference="")
            entries[name] = _entry(value, std, extractor, self.num_samples, "none", **more)

        if self.score is not None:
            score = self.score.compute()
            add(self.metric, score.mean, score.std, splits=self.score.num_splits)
        if self.agreement is not None:
            add("class_agreement", self.agreement.compute(), None)
        return entries


def _scores(fake: Collected, reference: Reference, extractor: Extractor, seed: int) -> dict[str, Any]:
    scores = _distances(fake, reference.everything, extractor, fake.count, False, seed)
    if reference.floor_fake is not None and reference.floor_real is not None:
        scores |= _distances(reference.floor_fake, reference.floor_real, extractor, fake.count, True, seed)
    return scores


def _distances(
    fake: Collected, real: Collected, extractor: Extractor, named: int, floor: bool, seed: int
) -> dict[str, Any]:
    """FID of all images; KID, precision and recall of the kept ones. `named`: the number of samples in the names."""
    fid = frechet_distance(fake.moments.mean, fake.moments.covariance, real.moments.mean, real.moments.covariance)
    kid = kernel_distance(fake.kept, real.kept, num_subsets=NUM_SUBSETS, subset_images=SUBSET_IMAGES, seed=seed)
    manifold = precision_recall(fake.kept, real.kept)
    kept, everything = (len(fake.kept), len(real.kept)), (fake.count, real.count)
    pairs = min(named, statistics.KEPT_IMAGES)

    def entry(value: float, counts: tuple[int, int], std: float | None = None, **more: Any) -> dict[str, Any]:
        used, against = counts
        of_all = f"{against} training images" if against == real.count else f"{against} of {real.count} training images"
        text = f"{used} training images against {against} others" if floor else of_all
        return _entry(value, std, extractor, used, text, **more)

    entries = {
        ("fid", named): entry(fid, everything),
        ("kid", pairs): entry(kid.mean, kept, kid.std, whole_set=kid.whole),
        ("precision", pairs): entry(manifold.precision, kept, neighbours=3),
        ("recall", pairs): entry(manifold.recall, kept, neighbours=3),
    }
    return {protocol_name(metric, n, extractor.name, floor=floor): value for (metric, n), value in entries.items()}


def _entry(
    value: float, std: float | None, extractor: Extractor, num_samples: int, reference: str, **more: Any
) -> dict[str, Any]:
    return {
        "value": value,
        "std": std,
        "extractor": extractor.name,
        "num_samples": num_samples,
        "reference": reference,
        **more,
        "extractor_card": extractor.card,
    }


def _labels(generator: Generator, num_samples: int, seed: int) -> Tensor | None:
    """The labels that the generator itself would draw, uniform; None for an unconditional one."""
    if not generator.num_classes:
        return None
    from degas.nets.generator import draw_labels

    return draw_labels(num_samples, generator.num_classes, seed)


def _check_counts(num_samples: int, num_images: int) -> None:
    for count, what in ((num_samples, "--evaluate.num-samples"), (num_images, "data")):
        if count < FEWEST_IMAGES:
            raise UserError(f"{what}: {count} images are too few to measure; at least {FEWEST_IMAGES} are needed")


def _counted(chunks: Iterable[Tensor], num_samples: int) -> Iterator[Tensor]:
    """The chunks, held to `num_samples` images in all."""
    seen = 0
    for chunk in chunks:
        seen += len(chunk)
        yield torch.as_tensor(chunk)
    if seen != num_samples:
        raise ValueError(f"evaluate: {seen} images came, {num_samples} were announced")


def _progress(show: bool, title: str, total_images: int) -> AbstractContextManager[Callable[[int], None] | None]:
    """A callback that is told how many images each step finished; None where nothing is shown."""
    if not show:
        return nullcontext(None)
    from degas.evaluation.ticker import Ticker

    return Ticker(title, total_images)

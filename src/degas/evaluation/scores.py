"""The `scores` object of scores.json from collected statistics, and the names of scores.

`fid_50k_train` gives the metric, the number of samples (exact unless a multiple of 1,000) and the reference; the
extractor follows in brackets unless it is Inception. `…_floor` is the score of real images against real images.
"""

from __future__ import annotations

from typing import Any

from torch import Tensor

from degas.evaluation import statistics
from degas.evaluation.extractors.base import Extractor
from degas.evaluation.metrics import (
    SURE,
    Agreement,
    ClassScore,
    Confidence,
    frechet_distance,
    kernel_distance,
    precision_recall,
)
from degas.evaluation.reference import Reference
from degas.evaluation.statistics import Collected

NUM_SUBSETS, SUBSET_IMAGES = 100, 1000  # of KID, as in its authors' code
NEIGHBOURS = 3  # of precision and recall (Kynkäänniemi et al. 2019)


def count_name(num_images: int) -> str:
    """50000 → `50k`; 1797 → `1797`."""
    return f"{num_images // 1000}k" if num_images % 1000 == 0 else str(num_images)


def protocol_name(
    metric: str, num_samples: int, extractor: str, *, reference: str = "train", floor: bool = False
) -> str:
    """`fid_50k_train`, `fid_5k_train[imagenet]`, `fid_1797_train_floor[imagenet-224]`; `is_50k` with no reference."""
    words = [metric, count_name(num_samples), reference, "floor" if floor else ""]
    return "_".join(word for word in words if word) + ("" if extractor == "inception" else f"[{extractor}]")


def distance_scores(fake: Collected, reference: Reference, extractor: Extractor, seed: int) -> dict[str, Any]:
    """FID, KID, precision and recall of the samples, and of the floor if the reference has one."""
    scores = _distances(fake, reference.everything, extractor, fake.count, False, seed)
    if reference.floor_fake is not None and reference.floor_real is not None:
        scores |= _distances(reference.floor_fake, reference.floor_real, extractor, fake.count, True, seed)
    return scores


def _distances(
    fake: Collected, real: Collected, extractor: Extractor, named: int, floor: bool, seed: int
) -> dict[str, Any]:
    """FID of all images; KID, precision and recall of the kept ones. `named`: the number of samples in the names.

    Scores from pairs use no more reals than samples: precision and recall are defined for sets of one size.
    """
    fid = frechet_distance(fake.moments.mean, fake.moments.covariance, real.moments.mean, real.moments.covariance)
    others = real.kept[: len(fake.kept)]
    kid = kernel_distance(fake.kept, others, num_subsets=NUM_SUBSETS, subset_images=SUBSET_IMAGES, seed=seed)
    manifold = precision_recall(fake.kept, others, NEIGHBOURS)
    kept, everything = (len(fake.kept), len(others)), (fake.count, real.count)
    pairs = min(named, statistics.KEPT_IMAGES)

    def entry(value: float, counts: tuple[int, int], std: float | None = None, **more: Any) -> dict[str, Any]:
        used, against = counts
        of_all = f"{against} training images" if against == real.count else f"{against} of {real.count} training images"
        text = f"{used} training images against {against} others" if floor else of_all
        return _entry(value, std, extractor, used, text, **more)

    entries = {
        ("fid", named): entry(fid, everything),
        ("kid", pairs): entry(kid.mean, kept, kid.std, whole_set=kid.whole),
        ("precision", pairs): entry(manifold.precision, kept, neighbours=NEIGHBOURS),
        ("recall", pairs): entry(manifold.recall, kept, neighbours=NEIGHBOURS),
    }
    return {protocol_name(metric, n, extractor.name, floor=floor): value for (metric, n), value in entries.items()}


class ClassScores:
    """Scores from logits: Inception Score, or the classifier's score, confidence and agreement; else none."""

    def __init__(self, extractor: Extractor, num_samples: int, num_splits: int, labels: Tensor | None) -> None:
        self.extractor, self.num_samples, self.num_splits = extractor, num_samples, num_splits
        self.score: ClassScore | None = None
        self.agreement = Agreement(labels) if labels is not None and extractor.has_classifier_score else None
        self.confidence = Confidence(extractor.label_smoothing) if extractor.has_classifier_score else None

    def update(self, logits: Tensor) -> None:
        """Take the next logits (N, K) of the samples."""
        if not (self.extractor.has_inception_score or self.extractor.has_classifier_score):
            return
        if self.score is None:
            self.score = ClassScore(self.num_samples, logits.shape[1], self.num_splits)
        self.score.update(logits)
        for shares in (self.confidence, self.agreement):
            if shares is not None:
                shares.update(logits)

    def entries(self) -> dict[str, Any]:
        """Protocol name → entry; empty for an extractor without such a score."""
        entries: dict[str, Any] = {}

        def add(metric: str, value: float, std: float | None, **more: Any) -> None:
            name = protocol_name(metric, self.num_samples, self.extractor.name, reference="")
            entries[name] = _entry(value, std, self.extractor, self.num_samples, "none", **more)

        if self.score is not None:
            score = self.score.compute()
            metric = "is" if self.extractor.has_inception_score else "classifier_score"
            add(metric, score.mean, score.std, splits=self.score.num_splits)
        if self.confidence is not None:
            add("class_confidence", self.confidence.compute(), None, at_least=SURE)
        if self.agreement is not None:
            add("class_agreement", self.agreement.compute(), None)
        return entries


def _entry(
    value: float, std: float | None, extractor: Extractor, num_samples: int, reference: str, **more: Any
) -> dict[str, Any]:
    facts = {"extractor": extractor.name, "num_samples": num_samples, "reference": reference}
    return {"value": value, "std": std, **facts, **more, "extractor_card": extractor.card}

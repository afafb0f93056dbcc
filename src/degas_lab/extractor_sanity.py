"""Tests of metrics: real images against real images, and against images damaged in known ways.

For each extractor: the floor (real against other real images) at several N, then N real images that are blurred, noisy,
or lack three classes, against the same reference. A randomly initialised network is tested too: it detects blur and
noise as well, but it must not detect the missing classes, or the table proves nothing.

    degas experiment extractors --data FOLDER --out DIR [--extractor imagenet] [--classifier FOLDER]
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from functools import cached_property
from pathlib import Path
from typing import Any

import numpy as np
import torch
from torch import Tensor, nn
from torch.nn import functional as F

from degas.data.image_set import ImageSet
from degas.errors import UserError
from degas.evaluation.extractors.base import Extractor, freeze
from degas.evaluation.extractors.build import build_extractor
from degas.evaluation.metrics import frechet_distance, kernel_distance, precision_recall
from degas.evaluation.progress import ImageProgress
from degas.evaluation.reference import image_chunks
from degas.evaluation.scores import count_name
from degas.evaluation.statistics import Moments, extract
from degas.runtime.rng import forked_rng, numpy_generator, torch_generator
from degas.settings.sections import EvaluateSettings
from degas_lab.trials import Trials

BLUR_PIXELS = 1.0  # standard deviation of the Gaussian
NOISE_LEVELS = 25.0  # standard deviation, in grey levels of 0…255
NUM_MISSING = 3  # classes left out: the first three
FLOOR_COUNTS = (1_000, 5_000, 10_000)
DAMAGES = ("blur", "noise", "missing")
Change = Callable[[Tensor], Tensor]


def sanity_rows(
    images: ImageSet,
    extractor: Extractor,
    folder: Path,
    *,
    counts: Sequence[int] = FLOOR_COUNTS,
    num_damaged: int = 5_000,
    device: torch.device | str = "cpu",
    seed: int = 0,
    say: Callable[[str], None] = print,
) -> dict[str, dict[str, Any]]:
    """All rows of `extractor`, one JSON file each in `folder`; finished rows are read, not made again.

    `images` must have labels, and twice as many images as the largest of `counts` and `num_damaged` (`UserError`).
    """
    most = max(*counts, num_damaged)
    if images.num_images < 2 * most or images.num_classes <= NUM_MISSING:
        raise UserError(
            f"{images.source}: the sanity table needs {2 * most} labelled images of more than {NUM_MISSING} classes; "
            f"it has {images.num_images} images of {images.num_classes} classes"
        )
    settings = {"data": images.fingerprint, "extractor": extractor.card, "seed": seed, "most": most}
    trials = Trials(folder, settings)
    rows = [("floor", count) for count in counts] + [(damage, num_damaged) for damage in DAMAGES]
    done = trials.records()
    needed = max((count for kind, count in rows if f"{kind}_{count_name(count)}" not in done), default=0)
    sides = _Sides(images, extractor, most, needed, device, seed)
    for kind, count in rows:

        def row(kind: str = kind, count: int = count) -> dict[str, Any]:
            return compare(sides.fake(kind, count), sides.real[:count], seed)

        record = trials.run(f"{kind}_{count_name(count)}", row)
        words = f"{extractor.name:<16} {_WORDS[kind]:<18} N {count:>6,}"
        say(f"{words}   FID {record['fid']:10.4g}   KID·1000 {1000 * record['kid']:9.3g}")
    return trials.records()


def compare(fake: Tensor, real: Tensor, seed: int = 0) -> dict[str, Any]:
    """FID, KID, precision and recall of features (N, D) against others."""
    sides = []
    for features in (fake, real):
        moments = Moments(features.shape[1])
        moments.update(features)
        sides += [moments.mean, moments.covariance]
    kid, manifold = kernel_distance(fake, real, seed=seed), precision_recall(fake, real)
    record = {"num_fake": len(fake), "num_real": len(real), "fid": frechet_distance(*sides)}
    record |= {"kid": kid.mean, "kid_std": kid.std, "kid_whole_set": kid.whole}
    return record | {"precision": manifold.precision, "recall": manifold.recall}


class _Sides:
    """Features of disjoint halves of a fixed random order, computed when first needed."""

    def __init__(
        self, images: ImageSet, extractor: Extractor, most: int, num_needed: int, device: torch.device | str, seed: int
    ) -> None:
        self.images, self.extractor, self.device, self.seed = images, extractor, device, seed
        self.num_needed = num_needed  # for each side; a resumed table may need fewer than `most`
        order = numpy_generator(seed, "sanity order").permutation(images.num_images)
        self.fake_rows, self.real_rows, self.rest = order[:most], order[most : 2 * most], order[2 * most :]

    @cached_property
    def real(self) -> Tensor:
        return self._features(self.real_rows[: self.num_needed])

    @cached_property
    def _undamaged(self) -> Tensor:
        return self._features(self.fake_rows[: self.num_needed])

    def fake(self, kind: str, count: int) -> Tensor:
        """(count, D): features of the first real images in the role of samples, undamaged or damaged."""
        if kind == "floor":
            return self._undamaged[:count]
        if kind == "missing":
            return self._features(self._without_classes(count))
        return self._features(self.fake_rows[:count], blurred if kind == "blur" else Noise(self.seed))

    def _without_classes(self, count: int) -> np.ndarray:
        """`count` rows of the kept classes, none of them in the reference."""
        assert self.images.labels is not None
        rows = np.concatenate([self.fake_rows, self.rest])
        kept = rows[self.images.labels[rows] >= NUM_MISSING][:count]
        if len(kept) < count:
            raise UserError(f"{self.images.source}: too few images outside the first {NUM_MISSING} classes")
        return kept

    def _features(self, rows: np.ndarray, change: Change | None = None) -> Tensor:
        chunks = (change(chunk) if change else chunk for chunk in image_chunks(self.images.images, rows, 64))
        with ImageProgress(f"features ({self.extractor.name})", len(rows)) as tick:
            return torch.cat([part.features for part in extract(self.extractor, chunks, self.device, tick)])


def blurred(batch: Tensor) -> Tensor:
    """uint8 (N, C, H, W) blurred by a Gaussian of 1 px, with repeated edges."""
    taps = torch.exp(-0.5 * (torch.arange(-3, 4) / BLUR_PIXELS) ** 2)
    taps = taps / taps.sum()
    x = F.pad(batch.float().flatten(0, 1)[:, None], [3] * 4, mode="replicate")
    x = F.conv2d(F.conv2d(x, taps[None, None, None]), taps[None, None, :, None])
    return x.round().clamp(0, 255).to(torch.uint8).reshape(batch.shape)


class Noise:
    """Adds Gaussian noise to successive batches, deterministically."""

    def __init__(self, seed: int) -> None:
        self.generator = torch_generator(seed, "sanity noise")

    def __call__(self, batch: Tensor) -> Tensor:
        noise = torch.randn(batch.shape, generator=self.generator) * NOISE_LEVELS
        return (batch.float() + noise).round().clamp(0, 255).to(torch.uint8)


def random_imagenet(resize_pixels: int, images: ImageSet, seed: int = 0) -> Extractor:
    """The ImageNet extractor with random weights and batch norms fitted to 320 of the images.

    Without this fit its activations would almost vanish; with it the network is as good as a random one can be, so that
    the comparison is fair.
    """
    from degas.evaluation.extractors.imagenet import ImagenetExtractor

    with forked_rng(seed, "random network"):
        extractor = ImagenetExtractor(resize_pixels, trained=False)
    extractor.name = f"random-{extractor.name}"
    for module in extractor.network.modules():
        if isinstance(module, nn.BatchNorm2d):
            module.momentum = None  # the plain mean over the batches
            nn.Module.train(module, True)
    rows = numpy_generator(seed, "random network").permutation(images.num_images)[:320]
    with torch.no_grad():
        for chunk in image_chunks(images.images, rows, 64):
            extractor(chunk)
    return freeze(extractor)


def sanity_tables(
    images: ImageSet, settings: EvaluateSettings, folder: Path, *, seed: int = 0, **options: Any
) -> dict[str, dict[str, dict[str, Any]]]:
    """`sanity_rows` of the extractor that `settings` name and, for `imagenet`, of its untrained twin: name → rows."""
    extractors = [build_extractor(settings)]
    if settings.extractor == "imagenet":
        extractors.append(random_imagenet(settings.resize_pixels, images, seed))
    return {e.name: sanity_rows(images, e, folder / e.name, seed=seed, **options) for e in extractors}


def format_table(tables: dict[str, dict[str, dict[str, Any]]]) -> str:
    """Markdown: extractor → row → record. `× floor` is FID over the floor's FID at the same N."""
    head = ["extractor", "row", "N", "FID", "× floor", "KID·1000", "precision", "recall"]
    lines = [" | ".join(head), "|".join(["---"] * 2 + ["--:"] * 6)]
    for extractor, rows in tables.items():
        floors = {row["num_fake"]: row["fid"] for name, row in rows.items() if name.startswith("floor")}
        kinds = {name: list(_WORDS).index(name.split("_")[0]) for name in rows}
        for name, row in sorted(rows.items(), key=lambda item: (kinds[item[0]], item[1]["num_fake"])):
            floor = floors.get(row["num_fake"])
            cells = [extractor, _WORDS[name.split("_")[0]], f"{row['num_fake']:,}", f"{row['fid']:.4g}"]
            cells.append(f"{row['fid'] / floor:.2f}" if floor else "")
            cells.append(f"{1000 * row['kid']:.3g} ± {1000 * row['kid_std']:.2g}")
            lines.append(" | ".join([*cells, f"{row['precision']:.3f}", f"{row['recall']:.3f}"]))
    return "".join(f"| {line} |\n" for line in lines)


_WORDS = {
    "floor": "real against real",
    "blur": f"blurred, {BLUR_PIXELS:g} px",
    "noise": f"noise, {NOISE_LEVELS:g} levels",
    "missing": f"{NUM_MISSING} classes missing",
}
